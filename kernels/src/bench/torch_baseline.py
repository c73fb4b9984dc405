#!/usr/bin/env python3
"""What PyTorch does on the shapes of AttentionBench and GemmBench, for ratios from one host and one run.

Scaled dot-product attention (causal, bf16, 32 query heads over 8 KV heads, D = 128) on its FlashAttention-2 and cuDNN
backends, and matrix products. Each result is first checked: sampled rows of the attention against float64, sampled
rows of the product against float64. Times are medians of triton's do_bench where triton is there (it clears the L2
cache before each run), otherwise of CUDA events. TFLOP/s of attention count the causal half: 2 T^2 D per head.

    torch_baseline.py [--lengths 4096,8192,32768,131072] [--rows 64,256,1024,4096,8192,16384] [--json FILE]
"""
import argparse
import json
import statistics

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

HEADS, KV_HEADS, D = 32, 8, 128
BACKENDS = {"FlashAttention-2": SDPBackend.FLASH_ATTENTION, "cuDNN": SDPBackend.CUDNN_ATTENTION}
WEIGHTS = {"qkv": (6144, 4096), "o": (4096, 4096), "gate_up": (28672, 4096), "down": (4096, 14336)}
TOLERANCE = 1e-2


def sizes(text):
    return [int(word) for word in text.split(",")]


def events(work, rounds=10):
    """Median milliseconds by events, after two runs that do not count."""
    times = []
    for i in range(rounds + 2):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times[2:])


try:
    from triton.testing import do_bench

    CLOCK = "triton do_bench, median"

    def millis(work):
        return do_bench(work, warmup=25, rep=200, return_mode="median")

except ImportError:
    CLOCK = "CUDA events, median"
    millis = events


def check_attention(q, k, v, out):
    """Largest relative error of four rows of three heads, against float64."""
    tokens = q.shape[2]
    worst = 0.0
    for row in (31, tokens // 3, tokens - 65, tokens - 1):
        for head in (0, HEADS // 2, HEADS - 1):
            group = head // (HEADS // KV_HEADS)
            keys, values = (x[0, group, : row + 1].double() for x in (k, v))
            weights = torch.softmax(keys @ q[0, head, row].double() / D**0.5, 0)
            exact = weights @ values
            worst = max(worst, ((out[0, head, row].double() - exact).norm() / exact.norm()).item())
    if not worst <= TOLERANCE:
        raise SystemExit(f"attention of {tokens} tokens is {worst:.2g} off, more than {TOLERANCE}")
    return worst


def attention(lengths):
    rows = []
    for tokens in lengths:
        q = torch.randn(1, HEADS, tokens, D, device="cuda", dtype=torch.bfloat16)
        k, v = (torch.randn(1, KV_HEADS, tokens, D, device="cuda", dtype=torch.bfloat16) for _ in range(2))
        for name, backend in BACKENDS.items():

            def work():
                with sdpa_kernel(backend):
                    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

            try:
                out = work()
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[0]
                print(f"{name} does not run at {tokens} tokens: {reason}")
                rows.append({"tokens": tokens, "backend": name, "failed": reason})
                continue
            error = check_attention(q, k, v, out)
            del out
            per_head = millis(work) / HEADS
            rows.append(
                {
                    "tokens": tokens,
                    "backend": name,
                    "ms per head": per_head,
                    "TFLOP/s": 2 * tokens**2 * D / per_head / 1e9,
                    "error": error,
                }
            )
    return rows


def products(row_counts):
    rows = []
    for name, (n, k) in WEIGHTS.items():
        w = torch.randn(n, k, device="cuda", dtype=torch.bfloat16) * 0.02
        for m in row_counts:
            a = torch.randn(m, k, device="cuda", dtype=torch.bfloat16)
            out = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
            torch.matmul(a, w.T, out=out)
            sample = [0, m // 2, m - 1]
            exact = a[sample].double() @ w.double().T
            error = ((out[sample].double() - exact).norm() / exact.norm()).item()
            if not error <= TOLERANCE:
                raise SystemExit(f"product {m} x {n} x {k} is {error:.2g} off, more than {TOLERANCE}")
            time = millis(lambda: torch.matmul(a, w.T, out=out))
            rows.append({"weight": name, "n": n, "k": k, "rows": m, "TFLOP/s": 2 * m * n * k / time / 1e9, "error": error})
    return rows


def table(name, rows):
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print(f"\n### {name}\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        print("| " + " | ".join(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=sizes, default=[4096, 8192, 32768, 131072])
    parser.add_argument("--rows", type=sizes, default=[64, 256, 1024, 4096, 8192, 16384])
    parser.add_argument("--json")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    environment = {
        "device": torch.cuda.get_device_name(),
        "PyTorch": torch.__version__,
        "CUDA": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),
        "clock": CLOCK,
    }
    print("## torch_baseline\n")
    for name, value in environment.items():
        print(f"- {name}: {value}")
    tables = {
        "SDPA, causal, 32 heads over 8 KV heads, D = 128": attention(arguments.lengths),
        "torch.matmul": products(arguments.rows),
    }
    for name, rows in tables.items():
        table(name, rows)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"bench": "torch_baseline", "environment": environment, "tables": tables}, file, indent=2)


if __name__ == "__main__":
    main()
