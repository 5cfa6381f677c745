#!/usr/bin/python3
"""Golden outputs and gradients of single layers, from PyTorch (Debian: python3-torch).

Prints tests/golden/layers.h: python3 tests/golden/layers.py > tests/golden/layers.h
Inputs, weights and the outputs' gradients are formulas that test_layers.c repeats, so nothing but numbers is shared."""
import math
import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def value(what, i):
    """what: 1 input, 2 gradient of the outputs, 3 weights, 4 biases."""
    return math.sin(0.37 * i + 1.3 * what + 0.011 * i * i)


def filled(what, *shape):
    n = math.prod(shape)
    x = torch.tensor([value(what, i) for i in range(n)], dtype=torch.float32)
    return x.reshape(shape).requires_grad_()


def caffe_average(x, k, stride, pad):
    """Caffe's AVE: the window is clipped to the padded image, and divided by what is left of it."""
    h, w = x.shape[2:]

    def outputs(n):
        out = math.ceil((n + 2 * pad - k) / stride) + 1
        return out - 1 if pad and (out - 1) * stride >= n + pad else out

    rows = []
    for oy in range(outputs(h)):
        row = []
        for ox in range(outputs(w)):
            y0, x0 = oy * stride - pad, ox * stride - pad
            y1, x1 = min(y0 + k, h + pad), min(x0 + k, w + pad)
            part = x[:, :, max(y0, 0):min(y1, h), max(x0, 0):min(x1, w)]
            row.append(part.sum((2, 3)) / ((y1 - y0) * (x1 - x0)))
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)


def emit(name, values):
    rows = ["%.9gf" % v if any(c in "%.9g" % v for c in ".e") else "%.9g.f" % v for v in values.flatten().tolist()]
    print("static const float golden_%s[%d] = {" % (name, len(rows)))
    for i in range(0, len(rows), 8):
        print("    " + ", ".join(rows[i:i + 8]) + ",")
    print("};")


def layer(name, f, shape, weights=(), biases=0):
    x = filled(1, *shape)
    p = [filled(3, *weights)] if weights else []
    p += [filled(4, biases)] if biases else []
    y = f(x, *p)
    g = torch.autograd.grad(y, [x] + p, filled(2, *y.shape).detach())
    emit(name + "_out", y)
    emit(name + "_din", g[0])
    for what, values in zip(("weights", "biases"), g[1:]):
        emit("%s_%s" % (name, what), values)


def smoothing():
    x = filled(1, 4, 7)
    loss = F.cross_entropy(x, torch.tensor([(3 * n + 1) % 7 for n in range(4)]), label_smoothing=0.1)
    emit("smooth_loss", loss)
    emit("smooth_din", torch.autograd.grad(loss, x)[0])


def main():
    print("/* layers.h - written by layers.py with PyTorch %s. */" % torch.__version__.split("+")[0])
    for name, (h, w) in (("clipped", (8, 8)), ("whole", (7, 9))):
        layer("max_" + name, lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True), (2, 3, h, w))
        layer("average_" + name, lambda x: caffe_average(x, 3, 2, 0), (2, 3, h, w))
    layer("max_padded", lambda x: F.max_pool2d(x, 3, 2, padding=1), (1, 2, 7, 5))
    layer("average_padded", lambda x: caffe_average(x, 3, 2, 1), (1, 2, 6, 7))
    layer("global", lambda x: x.mean((2, 3), keepdim=True), (2, 3, 5, 7))
    layer("lrn", lambda x: F.local_response_norm(x, 5, alpha=0.8, beta=0.75, k=1.0), (2, 7, 3, 4))
    layer("lrn_other", lambda x: F.local_response_norm(x, 3, alpha=1.5, beta=0.6, k=1.0), (1, 4, 2, 5))
    layer("grouped", lambda x, a, b: F.conv2d(x, a, b, stride=2, padding=1, groups=2), (2, 4, 7, 6), (6, 2, 3, 3), 6)
    layer("dense", F.linear, (3, 11), (5, 11), 5)
    smoothing()


main()
