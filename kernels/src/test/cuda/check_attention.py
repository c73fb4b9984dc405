"""Checks the PTX of attention.cu, estimate.cu and blocks.cu against PyTorch in float64, and times them.

    python3 check_attention.py FOLDER          all checks; FOLDER holds the .ptx files
    python3 check_attention.py FOLDER --small  small cases only, for compute-sanitizer
    python3 check_attention.py FOLDER --time   times, beside PyTorch's FlashAttention-2 and cuDNN backends
    python3 check_attention.py FOLDER --attention attention_sm90   the same with the kernels of another file

Needs a CUDA device, PyTorch and NumPy; loads the PTX through the driver as the Java launchers do.
Inputs are random, outputs and everything around the inputs (padding, rows after the last) are NaN
beforehand.
"""

import argparse
import ctypes
import math
import re
import struct
import sys
from pathlib import Path

import numpy as np
import torch

TILE = 64
UNSET = 0x7FC1  # a NaN with a mark: what the checks find unwritten
cuda = ctypes.CDLL("libcuda.so.1")
failures = 0


def call(name, *arguments):
    result = getattr(cuda, name)(*arguments)
    if result != 0:
        text = ctypes.c_char_p()
        cuda.cuGetErrorString(result, ctypes.byref(text))
        raise RuntimeError(f"{name} returned {result}: {text.value}")


class Module:
    """A PTX file and its launch tables."""

    def __init__(self, path):
        text = Path(path).read_text()
        self.handle = ctypes.c_void_p()
        call("cuModuleLoadData", ctypes.byref(self.handle), text.encode() + b"\0")
        self.tables = {}
        for name, size, values in re.findall(
            r"\.const \.align 4 \.b8 (\w+)\[(\d+)\] = \{([^}]*)\}", text
        ):
            data = bytes(int(v) for v in values.split(",")).ljust(int(size), b"\0")
            self.tables[name] = struct.unpack(f"<{int(size) // 4}i", data)
        self.functions = {}

    def launch(self, kernel, grid, parameters):
        threads, shared = self.tables[kernel + "_launch"][:2]
        if kernel not in self.functions:
            function = ctypes.c_void_p()
            call("cuModuleGetFunction", ctypes.byref(function), self.handle, kernel.encode())
            call("cuFuncSetAttribute", function, 8, shared)
            self.functions[kernel] = function
        buffer = ctypes.create_string_buffer(parameters, len(parameters))
        pointers = (ctypes.c_void_p * 1)(ctypes.addressof(buffer))
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        call("cuLaunchKernel", self.functions[kernel], grid[0], grid[1], 1, threads, 1, 1, shared,
             stream, pointers, None)


def report(what, error, bound):
    global failures
    good = error <= bound  # false for NaN
    failures += not good
    if not good or not report.quiet:
        print(f"{'ok  ' if good else 'FAIL'} {what}: {error:.3g} (bound {bound:g})", flush=True)
    report.worst = max(getattr(report, "worst", 0.0), error / bound)


report.quiet = True


def tiles(tokens):
    return (tokens + TILE - 1) // TILE


def padded(rows, cols, spread=1.0):
    """A random [rows, cols] view of a larger bf16 matrix of NaN, with its row stride."""
    stride = (cols + 7) // 8 * 8 + 8
    memory = torch.full((rows + TILE, stride), float("nan"), dtype=torch.bfloat16, device="cuda")
    memory[:rows, :cols] = torch.randn(rows, cols, device="cuda") * spread
    return memory[:rows, :cols]


def ints(values):
    return torch.tensor(np.asarray(values, dtype=np.int32).reshape(-1), device="cuda")


class Index:
    """The lists of rows, runs and columns that the kernel walks."""

    def __init__(self, rows, copies=1):
        """`rows` are (runs, columns) of each query tile of each head, the whole `copies` times."""
        self.rows = rows
        self.copies = copies

        def firsts(counts):
            return np.cumsum(np.concatenate([[0], counts]))[:-1]

        runs = np.tile([len(r) for r, _ in rows], copies)
        columns = np.tile([len(c) for _, c in rows], copies)
        self.row_list = ints(np.stack([firsts(runs), runs, firsts(columns), columns], 1))
        self.runs = ints(np.tile(np.array([n for r, _ in rows for n in r] or [(0, 0)]).ravel(), copies))
        self.columns = ints(np.tile(np.array([c for _, cs in rows for c in cs] or [0]), copies))

    def computed_tiles(self):
        return self.copies * sum(sum(t for _, t in r) + tiles(len(c)) for r, c in self.rows)


def dense_rows(tokens, heads, first_tile, window):
    rows = []
    for _ in range(heads):
        for m in range(first_tile, tiles(tokens)):
            start = max(0, m * TILE - window + 1) // TILE if window else 0
            rows.append(([(start * TILE, m + 1 - start)], []))
    return rows


def random_rows(random, tokens, heads, first_tile):
    """Runs at any key, columns between and after them; every query sees its own key."""
    rows = []
    for _ in range(heads):
        for m in range(first_tile, tiles(tokens)):
            row = m * TILE
            runs, end = [], 0
            while end < row and random.random() < 0.8:
                start = end + int(random.integers(0, 200))
                count = int(random.integers(1, 4))
                if start + count * TILE > row:
                    break
                runs.append((start, count))
                end = start + count * TILE
            own = max(end, row - int(random.integers(0, TILE)))
            runs.append((own, 1 if own == row else 2 if own + TILE < tokens else 1))
            inside = np.zeros(tokens, dtype=bool)
            for start, count in runs:
                inside[start : start + count * TILE] = True
            free = np.flatnonzero(~inside)
            wanted = min(len(free), int(random.choice([0, 1, 5, 63, 64, 65, 130, 400])))
            rows.append((runs, sorted(random.choice(free, wanted, replace=False).tolist())))
    return rows


def head_dims(module):
    return [d for d in (32, 64, 80, 96, 128) if f"attention_d{d}_launch" in module.tables]


def apart_rows(tokens, heads):
    """Neighbouring query tiles that share little: first and own key tile, or everything between."""
    rows = []
    for _ in range(heads):
        for m in range(tiles(tokens)):
            near = [(m * TILE, 1)]
            far = [(0, 1)] if m > 0 else []
            between = [(TILE, m - 1)] if m > 1 else []
            columns = list(range(1, min(TILE, m * TILE)))
            rows.append([(far + near, []), (between + near, columns), (near, columns)][m % 3])
    return rows


def few_run_rows(random, tokens, heads, first_tile):
    """Up to five runs and no columns, mostly the same in neighbouring tiles: what a block may pair."""
    rows = []
    for _ in range(heads):
        sinks, window = int(random.integers(1, 4)), int(random.integers(1, 9))
        shift = int(random.choice([0, 0, 17]))
        for m in range(first_tile, tiles(tokens)):
            own = max(0, m - window)
            runs = [(0, min(sinks, m + 1))]
            if own < sinks:
                runs = [(0, m + 1)]
            else:
                begin = own * TILE + shift * (m % 2)
                runs.append((begin, m + 1 - own))
            if random.random() < 0.3:  # the same tiles as more runs than one
                runs = [(s + TILE * i, 1) for s, n in runs[:1] for i in range(n)] + runs[1:]
            rows.append((runs, []))
    return rows


def attention(module, q, k, v, out, index, shape, first_tile, window, scale, launches=None):
    """`launches` lists the heads of each launch; all of them in one where it is not given."""
    tokens, heads, kv_heads, head_dim = shape
    error = torch.full((1,), -1, dtype=torch.int64, device="cuda")
    query_tiles = tiles(tokens) - first_tile
    rows = index.row_list.view(heads, query_tiles, 4)
    for head_list in launches or [list(range(heads))]:
        listed = ints(head_list)
        chosen = rows[listed.long()].contiguous() if launches else rows
        parameters = struct.pack(
            "<9Q4q7if", q.data_ptr(), k.data_ptr(), v.data_ptr(), out.data_ptr(),
            chosen.data_ptr(), index.runs.data_ptr(), index.columns.data_ptr(), listed.data_ptr(),
            error.data_ptr(), q.stride(0), k.stride(0), v.stride(0), out.stride(0), tokens, heads,
            kv_heads, len(head_list), first_tile, query_tiles, window, scale * math.log2(math.e))
        assert len(parameters) == module.tables["attention_layout"][0]
        kernel = f"attention_d{head_dim}"
        of_a_block = max(1, module.tables[kernel + "_launch"][2])
        module.launch(kernel, (-(-query_tiles // of_a_block), len(head_list)), parameters)
    return error


def visible(tokens, window):
    at = torch.arange(tokens, device="cuda")
    mask = at[None, :] <= at[:, None]
    return mask & (at[None, :] > at[:, None] - window) if window else mask


def reference(q, k, v, index, shape, first_tile, window, scale):
    """Rows from first_tile on, float64."""
    tokens, heads, kv_heads, head_dim = shape
    query_tiles = tiles(tokens) - first_tile
    causal = visible(tokens, window)
    results = []
    for head in range(heads):
        g = head // (heads // kv_heads)
        chosen = np.zeros((query_tiles, tokens), dtype=bool)
        for m in range(query_tiles):
            runs, columns = index.rows[head * query_tiles + m]
            for start, count in runs:
                chosen[m, start : start + count * TILE] = True
            chosen[m, columns] = True
        mask = torch.tensor(chosen, device="cuda").repeat_interleave(TILE, 0)
        mask = mask[: tokens - first_tile * TILE] & causal[first_tile * TILE :]
        part = slice(head * head_dim, (head + 1) * head_dim)
        shared = slice(g * head_dim, (g + 1) * head_dim)
        s = q[first_tile * TILE :, part].double() @ k[:, shared].double().T * scale
        p = torch.softmax(s.masked_fill(~mask, -math.inf), 1)
        results.append(p @ v[:, shared].double())
    return torch.cat(results, 1)


def check_attention(module, name, rows, shape, first_tile=0, window=0, spread=1.0, in_place=False,
                    launches=None, ramp=None):
    tokens, heads, kv_heads, head_dim = shape
    q = padded(tokens, heads * head_dim, spread)
    k = padded(tokens, kv_heads * head_dim)
    v = padded(tokens, kv_heads * head_dim)
    if ramp:  # scores that grow or shrink from key to key
        k *= torch.linspace(*ramp, tokens, device="cuda")[:, None].bfloat16()
    index = Index(rows)
    scale = head_dim**-0.5
    expected = reference(q, k, v, index, shape, first_tile, window, scale)
    if in_place:
        out = q
        before = q[: first_tile * TILE].clone()
    else:
        out = padded(tokens, heads * head_dim)
        out.view(torch.int16).fill_(UNSET)
        before = out[: first_tile * TILE].clone()
    error = attention(module, q, k, v, out, index, shape, first_tile, window, scale, launches)
    what = f"{name} T={tokens} H={heads} G={kv_heads} D={head_dim} first={first_tile} window={window}"
    actual = out[first_tile * TILE :].double()
    report(what, ((actual - expected).norm() / expected.norm()).item(), 5e-3)
    kept = torch.equal(before.view(torch.int16), out[: first_tile * TILE].view(torch.int16))
    report(what + ", rows before the first tile", 0 if kept else 1, 0.5)
    report(what + ", error word", 0 if error.item() == -1 else 1, 0.5)
    after = out.as_strided((TILE, out.stride(0)), (out.stride(0), 1), tokens * out.stride(0))
    report(what + ", rows after the last", 0 if after.isnan().all() else 1, 0.5)


def attention_checks(module, small):
    random = np.random.default_rng(5)
    for tokens in (1, 63, 65, 200) if small else (1, 63, 64, 65, 127, 128, 129, 1000, 4096):
        for head_dim in head_dims(module):
            for window in (0, 1, 48, 100) if tokens < 4096 else (0, 777):
                shape = (tokens, 2, 1, head_dim)
                rows = dense_rows(tokens, 2, 0, window)
                check_attention(module, "dense", rows, shape, 0, window)
                rows = random_rows(random, tokens, 2, 0)
                check_attention(module, "random", rows, shape, 0, window, 2.0)
            check_attention(module, "apart", apart_rows(tokens, 2), shape)
    for group in (1, 4, 7, 8):
        for kv_heads in (1, 2, 3):
            head_dim = head_dims(module)[(group + kv_heads) % len(head_dims(module))]
            shape = (330, group * kv_heads, kv_heads, head_dim)
            first_tile = group % 3
            rows = random_rows(random, 330, shape[1], first_tile)
            check_attention(module, "groups", rows, shape, first_tile)
            check_attention(module, "in place", rows, shape, first_tile, in_place=True)
            order = random.permutation(shape[1]).tolist()
            check_attention(module, "two launches", rows, shape, first_tile,
                            launches=[part for part in (order[::2], order[1::2]) if part])
    for tokens in (200, 640) if small else (64, 200, 640, 1000, 1030):
        for head_dim in head_dims(module):
            for first_tile in (0, 1):
                if first_tile < tiles(tokens):
                    rows = few_run_rows(random, tokens, 4, first_tile)
                    check_attention(module, "few runs", rows, (tokens, 4, 2, head_dim), first_tile)
    if not small:
        first_tile = tiles(33000) - 5  # a long document, whose blocks go in another order
        rows = random_rows(random, 33000, 8, first_tile)
        check_attention(module, "long", rows, (33000, 8, 2, 64), first_tile)
        check_attention(module, "long", rows, (33000, 8, 8, 128), first_tile)
        check_attention(module, "long, two launches", rows, (33000, 8, 2, 128), first_tile,
                        launches=[[7, 1, 2], [0, 6, 5, 4, 3]])
    for head_dim in head_dims(module):
        for ramp in ((0.01, 30.0), (30.0, 0.01)):
            shape = (500, 2, 1, head_dim)
            check_attention(module, f"ramp {ramp}", dense_rows(500, 2, 0, 0), shape, ramp=ramp)
            check_attention(module, f"ramp {ramp}", random_rows(random, 500, 2, 0), shape, ramp=ramp)
    check_attention(module, "large scores", random_rows(random, 300, 2, 0), (300, 2, 2, 64),
                    spread=60.0)


def error_checks(module):
    """The error word names the first head and query without a weight; unseen NaN does no harm."""
    shape = (200, 4, 2, 64)
    rows = dense_rows(200, 4, 0, 0)
    rows[2 * 4 + 1] = ([], [])
    rows[3 * 4 + 0] = ([], [])
    q, k, v = padded(200, 256), padded(200, 128), padded(200, 128)
    out = padded(200, 256)
    error = attention(module, q, k, v, out, Index(rows), shape, 0, 0, 0.125).item()
    report("error word of empty lists", 0 if error == (2 << 32 | 64) else 1, 0.5)
    rows = dense_rows(200, 4, 0, 0)
    k[150, 64:] = float("nan")
    error = attention(module, q, k, v, out, Index(rows), shape, 0, 0, 0.125).item()
    report("error word of a NaN key", 0 if error == (2 << 32 | 150) else 1, 0.5)
    fine = out[:150].isfinite().all() and out[:, :128].isfinite().all()
    report("rows that do not see the NaN key", 0 if fine else 1, 0.5)


def entries_of(head_list):
    """A table of heads as IndexPlan writes it; the estimate reads only which query heads they are."""
    return ints([[head, 2] + [0] * 8 for head in head_list])


def lines(module, q, k, shape, head_list, window, scale, ld):
    tokens, heads, kv_heads, head_dim = shape
    group = heads // kv_heads
    count = len(head_list)
    threads, shared, most, head_bytes = module.tables[f"line_sum_d{head_dim}_launch"]
    block_tiles = max(4, min(32, tiles(tokens) // 64))
    blocks = (tiles(tokens) + block_tiles - 1) // block_tiles
    items = []
    for kv_head in range(kv_heads):
        of_head = [i for i, head in enumerate(head_list) if head // group == kv_head]
        for at in range(0, len(of_head), most):
            items.append((of_head[at : at + most] + [-1] * most)[:most])
    vertical = torch.full((count, ld), float("nan"), device="cuda")
    slash = torch.full((count, ld), float("nan"), device="cuda")
    partials = torch.full((count * blocks * 128,), float("nan"), device="cuda")
    joined = torch.full((count * 128,), float("nan"), device="cuda")
    entries, listed, item_list = entries_of(head_list), ints(range(count)), ints(items)
    parameters = struct.pack(
        "<9Q3q5if", q.data_ptr(), k.data_ptr(), vertical.data_ptr(), slash.data_ptr(),
        partials.data_ptr(), joined.data_ptr(), entries.data_ptr(), listed.data_ptr(),
        item_list.data_ptr(), q.stride(0), k.stride(0), ld, tokens, group, blocks, block_tiles,
        window, scale * math.log2(math.e))
    assert len(parameters) == module.tables["line_layout"][0]
    module.launch(f"line_max_d{head_dim}", (blocks, len(items)), parameters)
    module.launch("line_join", (count, 1), parameters)
    module.launch(f"line_sum_d{head_dim}", (blocks, len(items)), parameters)
    return vertical, slash


def check_lines(module, shape, head_list, window, spread):
    tokens, heads, kv_heads, head_dim = shape
    q, k = padded(tokens, heads * head_dim, spread), padded(tokens, kv_heads * head_dim)
    scale = head_dim**-0.5
    vertical, slash = lines(module, q, k, shape, head_list, window, scale, tokens + 3)
    again = lines(module, q, k, shape, head_list, window, scale, tokens + 3)
    rows = min(TILE, tokens)
    at = torch.arange(tokens, device="cuda")
    queries = at[tokens - rows :]
    mask = at[None, :] <= queries[:, None]
    if window:
        mask &= at[None, :] > queries[:, None] - window
    diagonal = tokens - 1 - (queries[:, None] - at[None, :])
    what = f"lines T={tokens} H={heads} G={kv_heads} D={head_dim} window={window}"
    for i, head in enumerate(head_list):
        g = head // (heads // kv_heads)
        s = (q[tokens - rows :, head * head_dim : (head + 1) * head_dim].double()
             @ k[:, g * head_dim : (g + 1) * head_dim].double().T * scale)
        p = torch.softmax(s.masked_fill(~mask, -math.inf), 1)
        sums = torch.zeros(tokens, dtype=torch.float64, device="cuda")
        sums.index_add_(0, diagonal[mask], p[mask])
        for kind, actual, expected in (("vertical", vertical, p.sum(0)), ("slash", slash, sums)):
            error = ((actual[i, :tokens].double() - expected).norm() / expected.norm()).item()
            report(f"{what} {kind} of head {head}", error, 2e-5)
    same = torch.equal(vertical[:, :tokens], again[0][:, :tokens])
    same &= torch.equal(slash[:, :tokens], again[1][:, :tokens])
    report(what + ", bit by bit again", 0 if same else 1, 0.5)
    beyond = vertical[:, tokens:].isnan().all() and slash[:, tokens:].isnan().all()
    report(what + ", nothing behind T", 0 if beyond else 1, 0.5)


def line_checks(module, small):
    sizes = (1, 63, 65, 300) if small else (1, 50, 63, 64, 65, 127, 1000, 2047, 2048, 2049, 2111,
                                            2112, 4096, 10001)
    for tokens in sizes:
        for head_dim in (32, 64, 80, 96, 128):
            for window in (0, 1, 300):
                check_lines(module, (tokens, 4, 2, head_dim), [0, 3, 2], window, 2.0)
    check_lines(module, (300, 14, 2, 64), [13, 0, 7], 0, 1.0)


def pool(module, x, head_dim, head_list, tokens, first_tile, mean):
    count, wanted = len(head_list), tiles(tokens) - first_tile
    out = torch.full((count, wanted, head_dim), float("nan"), device="cuda")
    listed = ints(head_list)
    parameters = struct.pack("<3Qq6i", x.data_ptr(), out.data_ptr(), listed.data_ptr(), x.stride(0),
                             tokens, head_dim, count, first_tile, wanted, mean)
    assert len(parameters) == module.tables["pool_layout"][0]
    module.launch("pool", (wanted, count), parameters)
    return out


def pool_checks(module, small):
    for tokens in (1, 64, 65, 300) if small else (1, 63, 64, 65, 300, 1000, 9001):
        for head_dim in (32, 80, 128, 200):
            for first_tile in {0, tiles(tokens) // 2}:
                x = padded(tokens, 3 * head_dim)
                keys = pool(module, x, head_dim, [1], tokens, 0, 1)
                queries = pool(module, x, head_dim, [2, 0], tokens, first_tile, 0)
                for actual, heads, first, mean in ((keys, [1], 0, 1), (queries, [2, 0], first_tile, 0)):
                    parts = []
                    for head in heads:
                        rows = x[first * TILE :, head * head_dim : (head + 1) * head_dim].double()
                        chunks = rows.split(TILE)
                        parts.append(torch.stack([c.mean(0) if mean else c.sum(0) for c in chunks]))
                    expected = torch.stack(parts)
                    error = ((actual.double() - expected).norm() / expected.norm()).item()
                    report(f"pool T={tokens} D={head_dim} first={first} mean={mean}", error, 1e-5)
                # Three query heads share the KV head; the pooled heads are 2 and 0.
                rows, wanted = queries.shape[1], tiles(tokens)
                blocks = 2 * tiles(rows)
                scores = torch.full((blocks, TILE, wanted), float("nan"), device="cuda")
                entries = ints([[2, 3, 1, 0, 0] + [0] * 5, [0, 3, 1, 0, 1] + [0] * 5])
                listed = ints([0, 1])
                parameters = struct.pack(
                    "<5Q5i4x", queries.data_ptr(), keys.data_ptr(), scores.data_ptr(),
                    entries.data_ptr(), listed.data_ptr(), head_dim, 3, wanted, first_tile, 0)
                assert len(parameters) == module.tables["pool_score_layout"][0]
                _, _, a, b = module.tables["pool_scores_launch"]
                module.launch("pool_scores", ((wanted + b - 1) // b, blocks), parameters)
                scores = scores.view(2, -1, wanted)[:, :rows]
                expected = queries.double() @ keys[0].double().T
                n = torch.arange(wanted, device="cuda")[None, :]
                m = torch.arange(rows, device="cuda")[:, None] + first_tile
                causal = (n <= m).expand(2, -1, -1)
                error = ((scores.double() - expected)[causal].norm() / expected[causal].norm()).item()
                report(f"pool scores T={tokens} D={head_dim} first={first_tile}", error, 1e-5)


def median_ms(action, repeats):
    action()
    torch.cuda.synchronize()
    times = []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        action()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times)[len(times) // 2]


def vertical_slash_rows(tokens, vertical, slash, random):
    """One head: half the lines local (or first), half in bursts of 32; the walk of IndexBuilders."""
    def bursts(count, low, high):
        starts = random.integers(low, high - 32, count // 32)
        return (starts[:, None] + np.arange(32)).ravel()
    verticals = np.unique(np.concatenate([np.arange(vertical // 2), bursts(vertical // 2, vertical, tokens)]))
    distances = np.unique(np.concatenate([np.arange(slash // 2), bursts(slash // 2, slash, tokens)]))[::-1]
    rows = []
    for m in range(tiles(tokens)):
        row, runs, columns, end, at = m * TILE, [], [], 0, 0
        starts = np.maximum(row - distances[distances < row + TILE], 0)
        for begin in starts[np.concatenate([[True], starts[1:] != starts[:-1]])].tolist():
            if min(begin + TILE, tokens) <= end:
                continue
            start = max(begin, end)
            low, high = np.searchsorted(verticals, [end, start])
            columns.extend(verticals[low:high].tolist())
            runs.append((start, 1))
            end = start + TILE
        rows.append((runs, columns))
    return rows


def times(module, estimate, lengths, head_dim):
    import torch.nn.functional as functional
    from torch.nn.attention import SDPBackend, sdpa_kernel
    heads, kv_heads = 32, 8
    scale = head_dim**-0.5
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    for tokens in lengths:
        q = torch.randn(tokens, heads * head_dim, device="cuda").bfloat16()
        k = torch.randn(tokens, kv_heads * head_dim, device="cuda").bfloat16()
        v = torch.randn(tokens, kv_heads * head_dim, device="cuda").bfloat16()
        out = torch.empty_like(q)
        shape = (tokens, heads, kv_heads, head_dim)
        flops = 2.0 * tokens * tokens * heads * head_dim
        repeats = 3 if tokens > 100000 else 7
        index = Index(dense_rows(tokens, 1, 0, 0), heads)
        ours = median_ms(lambda: attention(module, q, k, v, out, index, shape, 0, 0, scale), repeats)
        def heads_first(x, n):
            return x.view(1, tokens, n, head_dim).transpose(1, 2)
        args = (heads_first(q, heads), heads_first(k, kv_heads), heads_first(v, kv_heads))
        peers = {}
        for peer in (SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION):
            with sdpa_kernel(peer):
                peers[peer] = median_ms(lambda: functional.scaled_dot_product_attention(
                    *args, is_causal=True, enable_gqa=True), repeats)
                expected = functional.scaled_dot_product_attention(*args, is_causal=True, enable_gqa=True)
        flash, cudnn = peers[SDPBackend.FLASH_ATTENTION], peers[SDPBackend.CUDNN_ATTENTION]
        expected = expected.transpose(1, 2).reshape(tokens, heads * head_dim)
        difference = ((out.float() - expected.float()).norm() / expected.float().norm()).item()
        print(f"dense {tokens}: {ours:.3f} ms, {flops / ours / 1e9:.0f} TFLOP/s; FlashAttention-2 "
              f"{flash:.3f} ms, {flops / flash / 1e9:.0f} TFLOP/s; ratio {flash / ours:.2f}; cuDNN "
              f"{flops / cudnn / 1e9:.0f} TFLOP/s; difference {difference:.2g}", flush=True)
        if tokens >= 8192:
            one = vertical_slash_rows(tokens, 1000, 6096, np.random.default_rng(7))
            sparse = Index(one, heads)
            ms = median_ms(lambda: attention(module, q, k, v, out, sparse, shape, 0, 0, scale), repeats)
            causal = tiles(tokens) * (tiles(tokens) + 1) // 2 * heads
            computed = sparse.computed_tiles()
            print(f"vertical-slash 1000/6096 {tokens}: {ms:.3f} ms, {ms / heads:.3f} per head, density "
                  f"{computed / causal:.3f}, {computed * TILE * TILE * 4 * head_dim / ms / 1e9:.0f} TFLOP/s", flush=True)
        ms = median_ms(lambda: lines(estimate, q, k, shape, list(range(heads)), 0, scale, tokens), repeats)
        print(f"line estimate {tokens}: {ms:.3f} ms for {heads} heads (its allocations included)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--attention", default="attention", help="file that has the attention kernels")
    parser.add_argument("--tokens", type=int, nargs="*", default=[4096, 8192, 32768, 131072])
    parser.add_argument("--dim", type=int, default=128, help="head dimension of the times")
    arguments = parser.parse_args()
    torch.cuda.init()
    torch.manual_seed(3)
    torch.zeros(1, device="cuda")
    module = Module(f"{arguments.folder}/{arguments.attention}.ptx")
    estimate = Module(f"{arguments.folder}/estimate.ptx")
    if arguments.time:
        times(module, estimate, arguments.tokens, arguments.dim)
        return
    steps = [("attention", lambda: attention_checks(module, arguments.small)),
             ("error word", lambda: error_checks(module))]
    if arguments.attention == "attention":
        steps += [
             ("lines", lambda: line_checks(estimate, arguments.small)),
             ("pool", lambda: pool_checks(Module(f"{arguments.folder}/blocks.ptx"), arguments.small))]
    for name, step in steps:
        report.worst = 0.0
        before = failures
        step()
        print(f"{name}: {failures - before} failures, worst error {report.worst:.2f} of its bound", flush=True)
    sys.exit(1 if failures else 0)


main()
