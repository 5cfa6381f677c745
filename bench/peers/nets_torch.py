#!/usr/bin/python3
"""Nets in PyTorch: images per second of forward, backward and update, one thread a process.

    nets_torch.py lenet|quick|xu|residual PROCESSES SECONDS [nchw]

With two processes the model's memory is shared and every process steps on it (PyTorch's mnist_hogwild). Random images:
the arithmetic does not depend on them. Channels-last, which is PyTorch's better layout here, unless told otherwise: the
images lie so from the start, no step converts them. Gradients are dropped after a step, not zeroed, and the optimiser
is the fused one where there is one.
Prints images per second of all processes together, counted in a common window."""
import sys
import time
import torch
import torch.multiprocessing as mp
import torch.nn as nn
import torch.nn.functional as F


def lenet():
    return nn.Sequential(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def quick():
    average = lambda: nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(inplace=True),
                         nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(inplace=True), average(),
                         nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(inplace=True), average(),
                         nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10))


def xu():
    return nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5),
                         nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120),
                         nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True), nn.Linear(84, 10))


class Unit(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.a, self.b = nn.Conv2d(channels, filters, 3, stride, 1, bias=False), nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.m, self.n = nn.BatchNorm2d(filters), nn.BatchNorm2d(filters)
        self.short = None
        if channels != filters:
            self.short = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        out = self.n(self.b(F.relu(self.m(self.a(x)), inplace=True)))
        return F.relu(out + (x if self.short is None else self.short(x)), inplace=True)


def residual(n=3, width=16):
    layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    channels = width
    for stage in range(3):
        for i in range(n):
            layers.append(Unit(channels, width << stage, 2 if stage and not i else 1))
            channels = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


# builder, batch, channels, side, rate, decay
NETS = {"lenet": (lenet, 64, 1, 28, 1e-4, 5e-4), "quick": (quick, 100, 3, 32, 1e-4, 0.004),
        "xu": (xu, 4, 3, 32, 1e-5, 0), "residual": (residual, 128, 3, 32, 1e-3, 1e-4)}


def work(model, name, seconds, layout, ready, count, index):
    torch.set_num_threads(1)
    torch.manual_seed(index)
    _, batch, channels, side, rate, decay = NETS[name]
    images = batch * 8
    x = torch.rand(images, channels, side, side).contiguous(memory_format=layout)
    y = torch.randint(0, 10, (images,))
    options = {"lr": rate, "momentum": 0.9, "weight_decay": decay}
    try:
        rule = torch.optim.SGD(model.parameters(), fused=True, **options)
    except (TypeError, RuntimeError):  # an older PyTorch
        rule = torch.optim.SGD(model.parameters(), **options)

    def step(i):
        k = (i * batch) % images
        rule.zero_grad(set_to_none=True)
        out = model(x[k:k + batch])
        F.cross_entropy(out, y[k:k + batch]).backward()
        rule.step()

    for i in range(3 if batch > 100 else 20):
        step(i)
    ready.wait()
    start, n = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        step(n)
        n += 1
    count[index] = n * batch / (time.monotonic() - start)


def main():
    name, processes, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    layout = torch.contiguous_format if sys.argv[4:] == ["nchw"] else torch.channels_last
    torch.set_num_threads(1)
    model = NETS[name][0]().to(memory_format=layout)
    model.share_memory()
    ready, count = mp.Barrier(processes), mp.Array("d", processes)
    if processes == 1:
        work(model, name, seconds, layout, ready, count, 0)
    else:
        workers = [mp.Process(target=work, args=(model, name, seconds, layout, ready, count, i))
                   for i in range(processes)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
    print("%.1f" % sum(count))


if __name__ == "__main__":
    main()
