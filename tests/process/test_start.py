"""What an operator sees when a server cannot start."""

import socket
import subprocess
import sys
from pathlib import Path


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "homeserver.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(
            f"server_name: localhost\nsigning_key: ed25519 a_test {'A' * 43}\n"
            f"database: {{name: sqlite3, args: {{database: {tmp_path / 'x.db'}}}}}\n"
            f"listeners: [{{port: {port}, type: http, bind_addresses: [127.0.0.1], resources: [{{names: [client]}}]}}]\n"
        )
        done = subprocess.run(
            [sys.executable, "-m", "ranvier", "-c", str(config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.returncode == 1
    assert f"Cannot start: cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "Traceback" not in done.stderr
