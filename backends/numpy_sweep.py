"""The fixed text that runs a kernel: blocks of tensors, small tensors gathered, threads."""

from __future__ import annotations

PROCESSORS = '''
def _processors():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
'''

CACHE = '''
def _cache():
    """The bytes of a core's second-level cache: what Linux says, else 1 MiB."""
    try:
        with open("/sys/devices/system/cpu/cpu0/cache/index2/size") as file:
            return int(file.read().strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        return 1 << 20
'''

# The constants of a module that its user may set.
CACHED_BLOCK = '''
# The bytes that the arrays of one block may take together. Not all are in use at once, so that one
# and a half times the cache of a core still stays there.
BLOCK = _cache() * 3 // 2
'''
# A compiled loop leaves nothing in the cache for a next one: its blocks are what threads share.
COMPILED_BLOCK = '''
# The bytes that the arrays of one block may take together: what a thread takes at a time.
BLOCK = 4 << 20
'''
SMALL = '''
# Tensors of no more entries are gathered: one block holds many of them.
SMALL = 8192
'''
THREADS = '''
# The threads that share the blocks, where `step` is not told another number.
THREADS = _processors()
'''

ROOMS = '''
@cache
def _pool(process, size):
    """Threads of this process (one that is forked off makes its own), kept between steps."""
    return ThreadPoolExecutor(size)


class _Rooms(local):
    """The scratch arrays of one thread, kept between steps."""

    def __init__(self):
        self.known = {}

    def rows(self, use, count, size, dtype):
        """An array of `count` rows of at least `size` entries; every use has its own."""
        room = self.known.get((use, count, dtype))
        if room is None or room.shape[1] < size:
            room = self.known[use, count, dtype] = np.empty((count, size), dtype)
        return room


_ROOMS = _Rooms()
'''

SWEEP = '''
def _sweep(kernel, leaves, reads, writes, scratch, masks, constants, threads=None):
    """Call `kernel` on block after block of the leaves' arrays, and list what it returned.

    Threads take blocks as they come; the list is in the order of the blocks, which do not depend
    on the number of threads. Where most leaves are small enough to be gathered one thread does it:
    the work is the interpreter's, for which others would only wait.
    """
    blocks = list(_blocks(leaves, len(reads) + len(writes) + scratch))
    results, todo = [()] * len(blocks), deque(enumerate(blocks))

    def work():
        with np.errstate(all="ignore"):
            while True:
                try:
                    index, (views_of, most, dtype, *block) = todo.popleft()
                except IndexError:
                    return
                room = (*_ROOMS.rows("scratch", scratch, most, dtype),
                        *_ROOMS.rows("masks", masks, most, bool))
                scalars = [SCALAR(c) for c in constants]
                results[index] = [
                    kernel(*views, *[row[:views[-1].size] for row in room], *scalars)
                    for views in views_of(reads, writes, most, dtype, *block)]

    threads = min(threads or THREADS, len(blocks)) if len(blocks) >= len(leaves) else 1
    helpers = [_pool(os.getpid(), threads - 1).submit(work) for _ in range(threads - 1)]
    work()
    for helper in helpers:
        helper.result()
    return [result for block in results for result in block]
'''

BLOCKS = '''
def _blocks(leaves, rows):
    """The blocks of a sweep over arrays that fill `rows` together: how to see one, the most
    entries that are seen at once, the dtype to compute in, and the leaves or the piece of one."""
GROUPS    for leaf in leaves:
        dtype, size = leaf["_dtype"], leaf["_size"]
        most = max(1, BLOCK // (rows * dtype.itemsize))
        if not leaf["_flat"]:
            yield _buffered, most, dtype, leaf
GATHER
            pieces = -(-size // most)
            for k in range(pieces):
                yield _piece, most, dtype, leaf, k * size // pieces, (k + 1) * size // pieces
'''
_GATHER = '''\
        elif len(leaves) > 1 and size <= min(SMALL, most):
            group, total = groups.get(dtype, ([], 0))
            if total + size > most:
                yield _gathered, total, dtype, group
                group, total = [], 0
            group.append(leaf)
            groups[dtype] = group, total + size
        else:'''
_LAST = '''\
    for dtype, (group, total) in groups.items():
        if total:
            yield _gathered, total, dtype, group
'''

PIECE = '''
def _piece(reads, writes, most, dtype, leaf, start, stop):
    """A slice of the arrays of a leaf."""
    yield SEEN
'''

GATHERED = '''
def _gathered(reads, writes, most, dtype, leaves):
    """Small leaves one after another in buffers, which are written back."""
    rows = _ROOMS.rows("gathered", len(reads) + len(writes), most, dtype)[:, :most]
    for row, name in zip(rows, (*reads, *writes)):
        np.concatenate([leaf[name] for leaf in leaves], out=row)
    yield list(rows)
    for row, name in zip(rows[len(reads):], writes):
        start = 0
        for leaf in leaves:
            stop = start + leaf["_size"]
            leaf[name][...] = row[start:stop]
            start = stop
'''

BUFFERED = '''
def _buffered(reads, writes, most, dtype, leaf):
    """An array that is not contiguous, or narrower than float32, in buffers, which are written
    back."""
    arrays = [leaf[name] for name in (*reads, *writes)]
    flags = [["readonly"]] * len(reads) + [["readwrite"]] * len(writes)
    blocks = np.nditer(
        arrays, ["buffered", "external_loop", "zerosize_ok"], flags, [dtype] * len(arrays),
        order="ORDER", casting="unsafe", buffersize=most)
    start = 0
    with blocks:
        for views in blocks:
            views = views if len(arrays) > 1 else (views,)
            yield VIEWS
            start += views[0].size
'''


SIGN = '''
def _sign(x, out):
    """-1, 0 or 1, and NaN of NaN; np.sign branches at every entry, which takes several times as
    long. `out` is `x` or another array."""
    above, other = _ROOMS.rows("sign", 2, x.size, bool)[:, :x.size]
    np.greater(x, 0, out=above)
    np.less(x, 0, out=other)
    sign = above.view(np.int8)
    np.subtract(sign, other.view(np.int8), out=sign)
    if out is not x:
        np.copyto(out, x)
    np.equal(x, x, out=other)
    np.copyto(out, sign, where=other)
'''


def constants(compiled: bool, gathers: bool) -> list[str]:
    """What a user may set, after the functions that say it of this machine."""
    values = [COMPILED_BLOCK if compiled else CACHED_BLOCK, *([SMALL] if gathers else []), THREADS]
    return [PROCESSORS, *([] if compiled else [CACHE]), "".join(values)]


def sweep_texts(draws: bool, compiled: bool) -> list[str]:
    """The functions that run kernels. A kernel that draws is told of each block where it lies: in
    the order of C, never among others."""
    blocks = BLOCKS.replace("GROUPS", "" if draws else "    groups = {}\n").replace(
        "GATHER", "        else:" if draws else _GATHER)
    seen = "(leaf[name][start:stop] for name in (*reads, *writes))"
    piece = PIECE.replace("SEEN", f"[leaf, start, *{seen}]" if draws else f"[{seen[1:-1]}]")
    buffered = BUFFERED.replace("VIEWS", "[leaf, start, *views]" if draws else "views").replace(
        "ORDER", "C" if draws else "K")
    if not draws:
        buffered = buffered.replace("    start = 0\n", "").replace(
            "            start += views[0].size\n", "")
    return [ROOMS, SWEEP.replace("SCALAR", "dtype.type" if compiled else "float"),
            blocks if draws else blocks + _LAST, piece, *([] if draws else [GATHERED]), buffered]
