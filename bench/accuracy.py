#!/usr/bin/python3
"""Trains a net on CIFAR-10 over seeds, workers and policies with examples/cifar, and prints one table.

    accuracy.py [--net quick] [--splits holdout,original] [--seeds 1,2,3] [--workers 1,2,4,8] [--policies auto,none]
                [--data FOLDER] [--program build/current/examples/cifar] [--log FILE] [-- further options of cifar]

Without further options cifar10_quick runs Caffe's solver (4,000 + 1,000 iterations of 100). Every run's JSON line is
appended to --log, and runs of the same data that stand there already are not repeated, so a table can be continued; it
ends with the commits they were made at. Data: $HOGWILD_DATA or --data, always the real images. One worker is SEQUENTIAL and needs no policy; several are ASYNC. +-: standard deviation over the seeds; the interval is the 95 % of the
mean accuracy that the number of test images leaves (binomial, all seeds on the same images)."""
import argparse
import glob
import json
import math
import os
import subprocess
import sys


def run(a, split, workers, policy, seed):
    command = [a.program, "--data", a.data, "--net", a.net, "--split", split, "--seed", str(seed), "--json", "--quiet"]
    command += a.rest if a.rest else ["--caffe"]
    command += ["--scheduler", "sequential"] if workers == 1 else ["--scheduler", "async", "--workers", str(workers),
                                                                   "--compensation", policy]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        sys.exit("accuracy: %s: %s" % (" ".join(command), done.stderr.strip()))
    last = result["evaluations"][-1]["metrics"] if result["evaluations"] else [float("nan"), float("nan")]
    return {"split": split, "workers": workers, "policy": policy, "seed": seed, "net": a.net, "rest": a.rest,
            "status": result["status"], "updates": result["updates"], "seconds": result["seconds"],
            "examples": result["examples"], "loss": last[0], "accuracy": last[1], "commit": result["commit"],
            "staleness": result["evaluations"][-1].get("staleness") if result["evaluations"] else None}


def logged(path):
    try:
        with open(path) as f:
            return [json.loads(line) for line in f if line.strip()]
    except OSError:
        return []


def row(name, runs, images):
    good = [r for r in runs if r["status"] == "HW_OK"]
    failed = len(runs) - len(good)
    if not good:
        return "%-34s diverged %d of %d (by update %s)" % (name, failed, len(runs),
                                                          ", ".join(str(r["updates"]) for r in runs))
    x = [100 * r["accuracy"] for r in good]
    mean = sum(x) / len(x)
    sd = math.sqrt(sum((v - mean) ** 2 for v in x) / (len(x) - 1)) if len(x) > 1 else float("nan")
    half = 196 * math.sqrt(mean / 100 * (1 - mean / 100) / images)
    rate = sum(r["examples"] for r in good) / sum(r["seconds"] for r in good)
    text = "%-34s %6.2f +- %.2f %%  [%.1f, %.1f]  %s  %6.0f img/s" % (
        name, mean, sd, mean - half, mean + half, " ".join("%.2f" % v for v in x), rate)
    return text + ("  diverged %d of %d" % (failed, len(runs)) if failed else "")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--net", default="quick")
    p.add_argument("--splits", default="holdout,original")
    p.add_argument("--seeds", default="1,2,3")
    p.add_argument("--workers", default="1,2,4,8")
    p.add_argument("--policies", default="auto,none")
    p.add_argument("--data", default=os.environ.get("HOGWILD_DATA"))
    p.add_argument("--program", default="build/current/examples/cifar")
    p.add_argument("--log", default="build/accuracy.jsonl")
    p.add_argument("rest", nargs="*", help="after --: further options of cifar instead of --caffe")
    a = p.parse_args()
    seeds = [int(s) for s in a.seeds.split(",")]
    if not a.data:
        sys.exit("accuracy: $HOGWILD_DATA or --data FOLDER is needed: the folder with CIFAR-10's binary files")
    tests = {"holdout": 10000, "original": 1000 if glob.glob(a.data + "/**/test_batch_first1000.bin*", recursive=True)
             and not glob.glob(a.data + "/**/test_batch.bin*", recursive=True) else 10000}
    commits = set()
    for split in a.splits.split(","):
        print("%s, %s, seeds %s" % (a.net, "batches 1-4 / 5" if split == "holdout" else "all five / test images",
                                    a.seeds), flush=True)
        for workers in (int(w) for w in a.workers.split(",")):
            for policy in (["none"] if workers == 1 else a.policies.split(",")):
                runs = []
                for seed in seeds:
                    known = [r for r in logged(a.log) if all(r[k] == v for k, v in (
                        ("split", split), ("workers", workers), ("policy", policy), ("seed", seed), ("net", a.net),
                        ("rest", a.rest)))]
                    if not known:
                        known = [run(a, split, workers, policy, seed)]
                        with open(a.log, "a") as f:
                            f.write(json.dumps(known[0]) + "\n")
                    runs.append(known[-1])
                    commits.add(known[-1]["commit"])
                name = "%d worker%s" % (workers, "" if workers == 1 else "s, %s" % policy)
                print(row(name, runs, tests[split]), flush=True)
    print("commits: %s" % ", ".join(sorted(commits)))


if __name__ == "__main__":
    main()
