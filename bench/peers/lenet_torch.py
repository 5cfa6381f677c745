#!/usr/bin/python3
"""LeNet at batch 64 in PyTorch: images per second of forward, backward and update, one thread a process.

    lenet_torch.py PROCESSES SECONDS

With two processes the model's memory is shared and every process steps on it (PyTorch's mnist_hogwild). Random images:
the arithmetic does not depend on them. Channels-last, which is PyTorch's better layout here. Prints images per second of
all processes together, counted in a common window."""
import sys
import time
import torch
import torch.multiprocessing as mp
import torch.nn as nn


def lenet():
    return nn.Sequential(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)).to(memory_format=torch.channels_last)


def work(model, seconds, ready, count, index):
    torch.set_num_threads(1)
    torch.manual_seed(index)
    x = torch.rand(1024, 1, 28, 28)
    y = torch.randint(0, 10, (1024,))
    rule = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)

    def step(i):
        k = (i * 64) % 960
        rule.zero_grad()
        out = model(x[k:k + 64].contiguous(memory_format=torch.channels_last))
        nn.functional.cross_entropy(out, y[k:k + 64]).backward()
        rule.step()

    for i in range(20):
        step(i)
    ready.wait()
    start, n = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        step(n)
        n += 1
    count[index] = n * 64 / (time.monotonic() - start)


def main():
    processes, seconds = int(sys.argv[1]), float(sys.argv[2])
    torch.set_num_threads(1)
    model = lenet()
    model.share_memory()
    ready, count = mp.Barrier(processes), mp.Array("d", processes)
    if processes == 1:
        work(model, seconds, ready, count, 0)
    else:
        workers = [mp.Process(target=work, args=(model, seconds, ready, count, i)) for i in range(processes)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
    print("%.1f" % sum(count))


if __name__ == "__main__":
    main()
