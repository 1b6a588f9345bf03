"""The manhole, as an administrator uses it: `ssh` to a running server, and Python in it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from tests.conftest import StartHomeserver
from tests.process.refusal import refusal
from tests.services.homeserver import HomeserverProcess
from tests.services.ports import free_port

_USER, _PASSWORD = "matrix", "a password of ours"
_WAIT_S = 30


class Terminal:
    """Somebody at a terminal, who reads until they see what they wait for."""

    def __init__(self, process: asyncssh.SSHClientProcess[str]) -> None:
        self._process = process
        self.seen = ""

    def type(self, text: str) -> None:
        self._process.stdin.write(text)

    async def until(self, text: str) -> str:
        """What came up to and with `text`, since the last time."""
        async with asyncio.timeout(_WAIT_S):
            while text not in self.seen:
                more = await self._process.stdout.read(4096)
                assert more, f"the end, before {text!r}: {self.seen}"
                self.seen += more
        found, _, self.seen = self.seen.partition(text)
        return found

    async def ask(self, line: str) -> str:
        """What is shown between a line and the next prompt."""
        self.type(f"{line}\r")
        await self.until("\r\n")
        return (await self.until(">>> ")).replace("\r\n", "\n")


def start_manhole(start: StartHomeserver, folder: Path, **options: object) -> tuple[HomeserverProcess, int]:
    """A server with a manhole, and the manhole's port."""
    port = free_port()
    listener = {"port": port, "type": "manhole"}
    database: dict[str, object] = {"name": "sqlite3", "args": {"database": str(folder / "manhole.db")}}
    options = {"manhole_settings": {"password": _PASSWORD}, "more_listeners": (listener,), **options}
    return start(database, **options), port


async def connect(port: int, *, password: str = _PASSWORD, user: str = _USER) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1", port, username=user, password=password, known_hosts=None, config=[], client_keys=[]
    )


@asynccontextmanager
async def terminal(port: int) -> AsyncIterator[Terminal]:
    async with await connect(port) as connection:
        process = await connection.create_process(term_type="xterm", term_size=(500, 50))
        at = Terminal(process)
        await at.until(">>> ")
        yield at


async def test_a_prompt_on_the_running_server(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server, port = start_manhole(start_homeserver, tmp_path)
    async with terminal(port) as at:
        assert await at.ask("hs.config.server_name") == "'test.example'\n"
        assert await at.ask("_ + '!'") == "'test.example!'\n"
        assert await at.ask("await hs.has_users()") == "False\n"
        assert await at.ask("import asyncio, pprint; await asyncio.sleep(0); pprint.pprint('shown here only')") == (
            "'shown here only'\n"
        )
        assert await at.ask("print('one', 'two')") == "one two\n"
        assert await at.ask("x = 5") == ""
        later = "async def later(): await asyncio.sleep(0); print('said', 'later')"
        at.type(f"{later}\r\r")
        await at.until(">>> ")
        assert "said later" in await at.ask("await asyncio.create_task(later())")
    assert not any(shown in server.output() for shown in ("shown here only", "one two", "said later"))


async def test_statements_of_several_lines(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    _, port = start_manhole(start_homeserver, tmp_path)
    async with terminal(port) as at:
        at.type("for n in range(3):\r")
        await at.until("... ")
        at.type("    print(n * 111, await hs.has_users())\r")
        await at.until("... ")
        at.type("\r")
        shown = await at.until(">>> ")
        assert shown.replace("\r\n", "\n").strip() == "0 False\n111 False\n222 False"


async def test_errors_are_shown_in_the_prompt_only(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server, port = start_manhole(start_homeserver, tmp_path)
    async with terminal(port) as at:
        shown = await at.ask("1 / (5 - 5)")
        assert shown.startswith("Traceback") and shown.endswith("ZeroDivisionError: division by zero\n")
        assert "manhole/console.py" not in shown
        assert "SyntaxError" in await at.ask("1 +* 2")
        assert "KeyError: 'there is none'" in await at.ask("await hs.db.one({}['there is none'])")
        assert "SystemExit" in await at.ask("raise SystemExit")
        assert await at.ask("1 + 1") == "2\n"
    assert not any(name in server.output() for name in ("ZeroDivisionError", "SyntaxError", "KeyError", "SystemExit"))


async def test_ctrl_c_interrupts_and_ctrl_d_leaves(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server, port = start_manhole(start_homeserver, tmp_path)
    async with terminal(port) as at:
        await at.ask("import asyncio")
        at.type("print('begun'); await asyncio.sleep(3600)\r")
        await at.until("begun\r\n")
        at.type("\x03")
        assert "KeyboardInterrupt" in await at.until(">>> ")
        # What is being typed is dropped, with the lines before it.
        at.type("def f():\r")
        await at.until("... ")
        at.type("    half\x03")
        await at.until("KeyboardInterrupt\r\n>>> ")
        assert await at.ask("2 + 2") == "4\n"
        at.type("\x04")
        async with asyncio.timeout(_WAIT_S):
            assert (await at._process.wait()).exit_status == 0
    async with terminal(port) as again:
        assert "NameError" in await again.ask("asyncio")
        again.type("import asyncio; print('begun'); await asyncio.sleep(3600)\r")
        await again.until("begun\r\n")
        # Somebody in the manhole keeps no server from stopping.
        assert await asyncio.to_thread(server.stop) == 0


async def test_a_single_statement_and_a_pipe(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    _, port = start_manhole(start_homeserver, tmp_path)
    async with await connect(port) as connection:
        done = await connection.run("await hs.has_users()")
        assert (done.stdout, done.exit_status) == ("False\n", 0)
        done = await connection.run(input="def f(n):\n    return n * 2\n\nf(21)\nif True:\n    print('the end')")
        assert (done.stdout, done.exit_status) == ("42\nthe end\n", 0)


async def test_only_who_knows_the_password_and_only_here(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server, port = start_manhole(start_homeserver, tmp_path)
    for user, password in ((_USER, "rabbithole"), ("root", _PASSWORD), (_USER, "")):
        with pytest.raises(asyncssh.PermissionDenied):
            await connect(port, user=user, password=password)
    assert "refused at the manhole, from 127.0.0.1" in server.output()
    async with await connect(port) as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", server.port)
        with pytest.raises(asyncssh.Error):
            await connection.start_sftp_client()
    assert _PASSWORD not in server.output()
    elsewhere = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, family=socket.AF_INET)]
    for address in (str(each) for each in elsewhere):
        if not address.startswith("127."):
            with pytest.raises(OSError, match="Connect call failed"):
                await asyncio.open_connection(address, port)


async def test_the_short_form_and_the_words_of_the_manual(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    port = free_port()
    _, _ = start_manhole(start_homeserver, tmp_path, manhole=port, manhole_settings={}, more_listeners=())
    async with await connect(port, password="rabbithole") as connection:
        assert (await connection.run("hs.config.manhole_settings.username")).stdout == "'matrix'\n"


async def _host_key(port: int) -> str:
    key = await asyncssh.get_server_host_key("127.0.0.1", port, config=[])
    assert key is not None
    return key.get_fingerprint()


async def test_the_server_is_known_again(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server, port = start_manhole(start_homeserver, tmp_path)
    first = await _host_key(port)
    server.stop()
    server.start()
    assert await _host_key(port) == first
    ours = asyncssh.generate_private_key("ssh-ed25519")
    private, public = tmp_path / "key", tmp_path / "key.pub"
    ours.write_private_key(str(private))
    ours.write_public_key(str(public))
    settings = {"password": _PASSWORD, "ssh_priv_key_path": str(private), "ssh_pub_key_path": str(public)}
    server.stop()
    server.write_options(manhole_settings=settings)
    server.start()
    assert await _host_key(port) == ours.get_fingerprint()


def test_files_that_hold_no_key(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server, _ = start_manhole(start_homeserver, tmp_path)
    server.stop()
    ours, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    private, public, empty = tmp_path / "key", tmp_path / "key.pub", tmp_path / "empty"
    ours.write_private_key(str(private))
    other.write_public_key(str(public))
    empty.write_text("")
    for settings, problem in (
        ({"ssh_priv_key_path": str(tmp_path / "none")}, "ssh_priv_key_path: "),
        ({"ssh_priv_key_path": str(empty)}, "ssh_priv_key_path: "),
        ({"ssh_priv_key_path": str(private), "ssh_pub_key_path": str(public)}, "is not the public half"),
        ({"ssh_pub_key_path": str(public)}, "needs ssh_priv_key_path"),
    ):
        server.write_options(manhole_settings=settings)
        assert problem in refusal(server)


def test_what_speaks_ssh_is_not_installed(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server, _ = start_manhole(start_homeserver, tmp_path)
    server.stop()
    (tmp_path / "asyncssh.py").write_text("raise ModuleNotFoundError('No module named asyncssh')")
    assert "pip install 'ranvier[manhole]'" in refusal(server, modules=tmp_path)
