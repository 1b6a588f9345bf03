// What a person does with Hydrogen: by its buttons and fields, and by reading what it shows.

export class Hydrogen {
    constructor(page) {
        this.page = page;
    }

    /** Log in with the form, and wait for the list of rooms. */
    async logIn(user, password) {
        await this.page.locator("#username").fill(user);
        await this.page.locator("#password").fill(password);
        await this.page.getByRole("button", { name: "Log In", exact: true }).click();
        await this.page.locator(".LeftPanel").waitFor();
    }

    /** Make a public room with an alias, and open it. */
    async createRoom(name, alias) {
        await this.#fromMenu("Create Room");
        await this.page.locator("#name").fill(name);
        await this.page.locator("#isPublic").check();
        await this.page.locator("#roomAlias").fill(alias);
        await this.page.locator(".CreateRoomView button[type=submit]").click();
        // Hydrogen 0.3.1 has made the room, and then opens the room "true".
        // For a moment the list may hold the room twice: the one that is being made, and the one that has come by sync.
        await this.page.locator(".RoomList a[href*='open-room/!']", { hasText: name }).click();
        await this.#opened(name);
    }

    /** Join a room by its alias, and open it. */
    async joinRoom(alias, name) {
        await this.#fromMenu("Join Room");
        await this.page.locator(".JoinRoomView input").fill(alias);
        await this.page.locator(".JoinRoomView button[type=submit]").click();
        await this.#opened(name);
    }

    async #fromMenu(entry) {
        await this.page.locator(".LeftPanel .create").click();
        await this.page.getByText(entry, { exact: true }).click();
    }

    async #opened(name) {
        await this.page.locator(".RoomHeader h2, .RoomView h2", { hasText: name }).first().waitFor();
        await this.page.locator(".MessageComposer textarea").waitFor();
    }

    /** The ID of the open room, from the address bar. */
    roomId() {
        const [found] = /![^/]+/.exec(decodeURIComponent(new URL(this.page.url()).hash)) ?? [];
        if (!found) throw new Error(`no room is open: ${this.page.url()}`);
        return found;
    }

    async send(body) {
        const composer = this.page.locator(".MessageComposer textarea");
        await composer.fill(body);
        await composer.press("Enter");
    }

    /** The first message with this text, once the server has given it an ID: answers that quote it come later. */
    async message(body) {
        const found = this.page.locator(".Timeline_message:not(.unsent):not(.disabled)", { hasText: body }).first();
        await found.waitFor();
        return found;
    }

    /** React with one of the quick reactions. */
    async react(body, key) {
        await this.#menu(body);
        await this.page.locator(".quick-reactions button", { hasText: key }).click();
    }

    /** Wait for a reaction below a message. */
    async seesReaction(body, key, count) {
        const message = await this.message(body);
        await message.locator(".Timeline_messageReactions button", { hasText: `${key} ${count}` }).waitFor();
    }

    /** Answer a message with the menu's "Reply". */
    async reply(body, answer) {
        await this.#menu(body);
        await this.page.getByText("Reply", { exact: true }).click();
        await this.page.locator(".MessageComposer_replyPreview").waitFor();
        await this.send(answer);
    }

    async #menu(body) {
        const message = await this.message(body);
        await message.hover();
        await message.locator(".Timeline_messageOptions").click();
    }
}
