#!/usr/bin/python3
"""Golden losses and gradients of a small convolutional net, from PyTorch (Debian: python3-torch).

Prints tests/golden/golden.h: python3 tests/golden/golden.py > tests/golden/golden.h
Weights and images are formulas that test_net.c repeats, so nothing but numbers is shared."""
import math
import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_num_threads(1)
BATCH, SIDE, CLASSES = 6, 14, 5


def weight(layer, i, fan_in):
    return math.sqrt(2.0 / fan_in) * math.sin(0.37 * i + 1.3 * layer + 0.011 * i * i)


def pixel(image, i):
    return int(127.5 + 127.4 * math.sin(0.21 * i + 2.1 * image + 0.003 * i * image * i))


def filled(layer, shape, fan_in):
    n = math.prod(shape)
    return torch.tensor([weight(layer, i, fan_in) for i in range(n)], dtype=torch.float32).reshape(shape)


def parameters():
    shapes = [((4, 1, 3, 3), 9), ((7, 4, 3, 3), 36), ((16, 7 * 3 * 3), 63), ((CLASSES, 16), 16)]
    out = []
    for layer, (shape, fan_in) in enumerate(shapes):
        out.append(filled(layer, shape, fan_in).requires_grad_())
        bias = torch.tensor([0.05 * math.cos(i + layer) for i in range(shape[0])], dtype=torch.float32)
        out.append(bias.requires_grad_())
    return out


def forward(x, p):
    x = F.conv2d(x, p[0], p[1], padding=1)                      # 4 x 14 x 14
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)                   # 4 x 7 x 7
    x = F.relu(x)
    x = F.conv2d(x, p[2], p[3], stride=1)                       # 7 x 5 x 5
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)                   # 7 x 3 x 3
    x = F.relu(F.linear(x.flatten(1), p[4], p[5]))
    return F.linear(x, p[6], p[7])


def main():
    x = torch.tensor([[pixel(n, i) for i in range(SIDE * SIDE)] for n in range(BATCH)], dtype=torch.float32)
    x = (x / 256).reshape(BATCH, 1, SIDE, SIDE)
    y = torch.tensor([(3 * n + 1) % CLASSES for n in range(BATCH)])
    p = parameters()
    velocity = [torch.zeros_like(q) for q in p]
    losses, gradients = [], None
    for step in range(10):
        loss = F.cross_entropy(forward(x, p), y)
        losses.append(loss.item())
        g = torch.autograd.grad(loss, p)
        if step == 0:
            gradients = torch.cat([q.flatten() for q in g])
        with torch.no_grad():
            for q, v, d in zip(p, velocity, g):
                v.mul_(0.9).sub_(0.05 * (d + 5e-4 * q))
                q.add_(v)
    final = torch.cat([q.detach().flatten() for q in p])
    print("/* golden.h - written by golden.py with PyTorch %s. */" % torch.__version__.split("+")[0])
    print("static const double golden_losses[10] = {%s};" % ", ".join("%.9g" % v for v in losses))
    print("enum { GOLDEN_PARAMETERS = %d };" % len(gradients))
    for name, values in (("gradient", gradients), ("final", final)):
        rows = ["%.9gf" % v if ("." in "%.9g" % v or "e" in "%.9g" % v) else "%.9g.f" % v for v in values.tolist()]
        print("static const float golden_%s[%d] = {" % (name, len(rows)))
        for i in range(0, len(rows), 8):
            print("    " + ", ".join(rows[i:i + 8]) + ",")
        print("};")


main()
