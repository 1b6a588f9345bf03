"use strict";
const endpoint = "/_matrix/client/v3/login";
const query = new URLSearchParams(location.search);
const message = document.getElementById("message");
const form = document.getElementById("password");

// Whatever is not a credential is handed on to the login endpoint.
const handedOn = {};
for (const [name, value] of query) {
    if (!["type", "identifier", "user", "medium", "address", "password", "token", "loginToken"].includes(name)) {
        handedOn[name] = value === "true" ? true : value === "false" ? false : value;
    }
}

async function logIn(credentials) {
    message.textContent = "";
    const answer = await fetch(endpoint, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ...handedOn, ...credentials }),
    });
    const body = await answer.json();
    if (!answer.ok) {
        throw new Error(body.error || "The login was refused");
    }
    form.hidden = true;
    message.className = "";
    message.textContent = "You are logged in. You can close this page.";
    if (window.matrixLogin && window.matrixLogin.onLogin) {
        window.matrixLogin.onLogin(body);
    }
}

function attempt(credentials) {
    logIn(credentials).catch((error) => { message.textContent = error.message; });
}

form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt({
        type: "m.login.password",
        identifier: { type: "m.id.user", user: form.elements.user.value },
        password: form.elements.secret.value,
    });
});

fetch(endpoint).then((answer) => answer.json()).then(({ flows = [] }) => {
    const types = flows.map((flow) => flow.type);
    if (query.has("loginToken") && types.includes("m.login.token")) {
        attempt({ type: "m.login.token", token: query.get("loginToken") });
    } else if (types.includes("m.login.password")) {
        form.hidden = false;
    } else {
        message.textContent = "This server offers no way to log in on this page.";
    }
}).catch((error) => { message.textContent = error.message; });
