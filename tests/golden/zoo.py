#!/usr/bin/python3
"""Golden losses and gradients of cifar10_quick and of a residual net, from PyTorch (Debian: python3-torch).

Prints tests/golden/zoo.h: python3 tests/golden/zoo.py > tests/golden/zoo.h
Weights and images are formulas that test_zoo.c repeats. Of every parameter tensor's gradient two numbers are kept: the
sum of squares, and the sum with weights cos(0.7 i). Double precision."""
import math
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
BATCH = 7


def pixel(n, i):
    return int(127.5 + 127.4 * math.sin(0.021 * i + 2.1 * n + 0.0003 * i * n * i))


def filled(number, shape, fan_in):
    n = math.prod(shape)
    w = [math.sqrt(2.0 / fan_in) * math.sin(0.37 * i + 1.3 * number + 0.011 * i * (i % 97)) for i in range(n)]
    return torch.tensor(w, dtype=torch.float32).double().reshape(shape).requires_grad_()


def small(number, n, centre):
    return torch.tensor([centre + 0.05 * math.cos(i + number) for i in range(n)],
                        dtype=torch.float32).double().requires_grad_()


def images():
    x = torch.tensor([[pixel(n, i) for i in range(3072)] for n in range(BATCH)], dtype=torch.float64)
    return x.reshape(BATCH, 3, 32, 32), torch.tensor([(3 * n + 1) % 10 for n in range(BATCH)])


def conv_bn(p, x, channels, filters, kernel, stride):
    w = filled(len(p), (filters, channels, kernel, kernel), channels * kernel * kernel)
    p.append(w)
    x = F.conv2d(x, w, None, stride, kernel // 2)
    g, b = small(len(p), filters, 1.0), small(len(p) + 1, filters, 0.0)
    p += [g, b]
    return F.batch_norm(x, None, None, g, b, True, 0.1, 1e-5)


def residual(x, p):
    x = F.relu(conv_bn(p, x, 3, 8, 3, 1))
    channels = 8
    for stage in range(3):
        filters, stride = 8 << stage, 2 if stage else 1
        short = x if stride == 1 else conv_bn(p, x, channels, filters, 1, stride)
        y = F.relu(conv_bn(p, x, channels, filters, 3, stride))
        x = F.relu(conv_bn(p, y, filters, filters, 3, 1) + short)
        channels = filters
    return dense(p, x.mean((2, 3)), 10)


def dense(p, x, outputs):
    w = filled(len(p), (outputs, x.shape[1]), x.shape[1])
    b = small(len(p) + 1, outputs, 0.0)
    p += [w, b]
    return F.linear(x, w, b)


def conv(p, x, filters):
    w = filled(len(p), (filters, x.shape[1], 5, 5), x.shape[1] * 25)
    b = small(len(p) + 1, filters, 0.0)
    p += [w, b]
    return F.conv2d(x, w, b, 1, 2)


def average(x):
    return F.avg_pool2d(x, 3, 2, ceil_mode=True, count_include_pad=False)


def quick(x, p):
    x = F.relu(F.max_pool2d(conv(p, x, 32), 3, 2, ceil_mode=True))
    x = average(F.relu(conv(p, x, 32)))
    x = average(F.relu(conv(p, x, 64)))
    return dense(p, dense(p, x.flatten(1), 64), 10)


def main():
    print("/* zoo.h - written by zoo.py with PyTorch %s. */" % torch.__version__.split("+")[0])
    for name, net, scale, shift, smoothing in (("quick", quick, 1.0 / 64, 120.0, 0.0), ("residual", residual, 1.0 / 256, 0.0, 0.1)):
        x, y = images()
        p = []
        loss = F.cross_entropy(net((x - shift) * scale, p), y, label_smoothing=smoothing)
        g = torch.autograd.grad(loss, p)
        print("static const double golden_%s_loss = %.10g;" % (name, loss.item()))
        print("static const double golden_%s[%d][2] = { /* sum of squares, weighted sum */" % (name, len(g)))
        for q in g:
            q = q.flatten()
            print("    {%.8g, %.8g}," % ((q * q).sum(), (q * torch.cos(0.7 * torch.arange(len(q)))).sum()))
        print("};")


main()
