"""Unread entries do what a plain list of events would."""

from hypothesis import given
from hypothesis import strategies as st

from ranvier.store.receipts import MAIN, UNTHREADED
from ranvier.sync.unread_entries import UnreadEntries

ROOTS = (MAIN, "$a", "$b")
POSITIONS = st.integers(0, 40)

Step = tuple[str, str, int, bool]


def steps() -> st.SearchStrategy[list[Step]]:
    acts = st.sampled_from(["add", "add", "add", "read", "remove"])
    return st.lists(st.tuples(acts, st.sampled_from((*ROOTS, UNTHREADED)), POSITIONS, st.booleans()))


@given(steps())
def test_the_counts_are_those_of_a_list(steps: list[Step]) -> None:
    entries, plain, last = UnreadEntries(), list[tuple[str, int, bool]](), 0
    for act, thread, pos, highlight in steps:
        if act == "add" and thread != UNTHREADED:
            last += 1 + pos % 3
            entries.add(thread, last, highlight=highlight)
            plain.append((thread, last, highlight))
        elif act == "read":
            entries.read(thread, pos)
            plain = [entry for entry in plain if thread not in (UNTHREADED, entry[0]) or entry[1] > pos]
        elif act == "remove":
            assert entries.holds(pos) == any(entry[1] == pos for entry in plain)
            entries.remove(pos)
            plain = [entry for entry in plain if entry[1] != pos]
        entries = UnreadEntries.decode(entries.encode())
        by_thread = {
            root: (len(found), sum(entry[2] for entry in found))
            for root in ROOTS
            if (found := [entry for entry in plain if entry[0] == root])
        }
        assert entries.total() == (len(plain), sum(entry[2] for entry in plain))
        assert entries.main() == by_thread.pop(MAIN, (0, 0))
        assert entries.threads() == by_thread
        assert entries.is_empty == (not plain)


def test_positions_of_old_rooms_fit() -> None:
    entries = UnreadEntries()
    entries.add(MAIN, (1 << 40) << 20, highlight=True)
    assert UnreadEntries.decode(entries.encode()).total() == (1, 1)
