#!/usr/bin/python3
"""Golden values of batch normalisation and of hyperspherical convolution, from PyTorch (Debian: python3-torch).

Prints tests/golden/norm.h: python3 tests/golden/norm.py > tests/golden/norm.h
In double precision, from single-precision inputs. Inputs are formulas that test_norm.c repeats, so nothing but numbers
is shared."""
import math
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
STEPS, RATE, SHARE, EPSILON = 5, 0.05, 0.1, 1e-3
NORMS = [(3, 5, 3, 7), (4, 3, 8, 9), (6, 9, 1, 1)]                        # images, channels, height, width
CONVOLUTIONS = [(2, 3, 7, 6, 4, 3, 1, 1), (2, 2, 9, 9, 5, 3, 2, 1),       # ..., filters, kernel, stride, pad
                (3, 4, 8, 8, 9, 1, 1, 0), (2, 3, 8, 11, 3, 5, 2, 2)]


def wave(kind, i):
    return math.sin(0.37 * i + 1.3 * kind + 0.011 * i * i)


def filled(kind, shape, scale=1.0, shift=0.0):
    values = [shift + scale * wave(kind, i) for i in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float32).reshape(shape).double()


def norm(shape):
    """Five steps of plain SGD: the first step's output and input gradient, the last parameters and running means, and
    the output in evaluation mode, the running means freed of their start."""
    c = shape[1]
    gamma, beta = filled(1, (c,), 0.5, 1.0).requires_grad_(), filled(2, (c,), 0.3).requires_grad_()
    mean, variance = torch.zeros(c).double(), torch.ones(c).double()
    for step in range(STEPS):
        x = filled(10 + step, shape, 1.7, 3.0).requires_grad_()
        out = F.batch_norm(x, mean, variance, gamma, beta, True, SHARE, EPSILON)
        dx, dgamma, dbeta = torch.autograd.grad((out * filled(20 + step, shape)).sum(), (x, gamma, beta))
        if step == 0:
            first = [out.detach(), dx]
        with torch.no_grad():
            gamma -= RATE * dgamma
            beta -= RATE * dbeta
    start = (1 - SHARE) ** STEPS
    free_mean, free_variance = mean / (1 - start), (variance - start) / (1 - start)
    evaluated = F.batch_norm(filled(30, shape, 1.7, 3.0), free_mean, free_variance, gamma, beta, False, SHARE, EPSILON)
    return first + [gamma, beta, mean, variance, evaluated]


def hyper(n, c, h, w, f, k, stride, pad):
    """Output and gradients of input and weights."""
    x, weights = filled(3, (n, c, h, w)).requires_grad_(), filled(4, (f, c, k, k), 0.4).requires_grad_()
    patches = F.unfold(x, k, padding=pad, stride=stride)                   # n x (c k k) x p
    rows = weights.reshape(f, -1)
    products = torch.einsum("fi,nip->nfp", rows, patches)
    norms = ((rows ** 2).sum(1) + 1e-4).sqrt()[None, :, None] * ((patches ** 2).sum(1, keepdim=True) + 1e-4).sqrt()
    cosine = products / norms
    assert cosine.abs().max() < 1 - 1e-4
    out = 1 - 2 / math.pi * torch.acos(cosine)
    dout = filled(5, tuple(out.shape))
    dx, dw = torch.autograd.grad((out * dout).sum(), (x, weights))
    return [out.detach(), dx, dw]


def print_floats(name, tensors):
    values = torch.cat([t.detach().flatten() for t in tensors]).float().tolist()
    texts = ["%.9g" % v for v in values]
    texts = [(t if "." in t or "e" in t else t + ".") + "f" for t in texts]
    print("static const float %s[%d] = {" % (name, len(texts)))
    for i in range(0, len(texts), 8):
        print("    " + ", ".join(texts[i:i + 8]) + ",")
    print("};")


def print_shapes(name, shapes):
    print("static const unsigned %s[%d][%d] = {%s};" % (name, len(shapes), len(shapes[0]),
          ", ".join("{%s}" % ", ".join(map(str, s)) for s in shapes)))


def main():
    print("/* norm.h - written by norm.py with PyTorch %s. */" % torch.__version__.split("+")[0])
    print("enum { GOLDEN_STEPS = %d };" % STEPS)
    print("static const float golden_rate = %gf, golden_share = %gf, golden_epsilon = %gf;" % (RATE, SHARE, EPSILON))
    print_shapes("golden_norms", NORMS)
    print_shapes("golden_hypers", CONVOLUTIONS)
    for name, function, shapes in (("norm", lambda *s: norm(s), NORMS), ("hyper", hyper, CONVOLUTIONS)):
        for i, shape in enumerate(shapes):
            print_floats("golden_%s_%d" % (name, i), function(*shape))
        print("static const float *const golden_%s[] = {%s};"
              % (name, ", ".join("golden_%s_%d" % (name, i) for i in range(len(shapes)))))


main()
