# make_venv.sh PYTHON DIRECTORY: make a virtual environment with pip in it, or say what is missing.
python=$1
directory=$2
if [ -z "$python" ]; then
    echo "Ranvier needs Python 3.11 or newer, and there is none on the PATH. Install one, or name it:" >&2
    echo "    make PYTHON=/path/to/python3.12 ..." >&2
    exit 1
fi
if ! version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))'); then
    echo "Ranvier needs Python 3.11 or newer; $python is ${version:-not a Python}." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$python cannot make virtual environments. On Debian and Ubuntu that is a package of its own:" >&2
    echo "    apt-get install python$version-venv" >&2
    exit 1
fi
rm -rf "$directory"
exec "$python" -m venv "$directory"
