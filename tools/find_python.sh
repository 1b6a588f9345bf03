# Print the first Python on the PATH that is new enough and can make a virtual environment; failing that, one that is
# new enough; failing that, nothing.
fallback=
for python in python3 python3.13 python3.12 python3.11 python3.14 python3.15 python; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        command -v "$python"
        exit
    fi
    fallback=${fallback:-$(command -v "$python")}
done
echo "$fallback"
