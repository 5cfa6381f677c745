"""The shared library from Python's ctypes: shared parameters, one momentum step, staleness. argv: the library."""
import ctypes as c
import sys

hw = c.CDLL(sys.argv[1])


class Config(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("size", c.c_size_t), ("workers", c.c_uint), ("arrays", c.c_uint),
                ("read", c.c_int), ("write", c.c_int), ("path", c.c_int), ("stripe", c.c_uint),
                ("clock_interval", c.c_uint), ("exchange_interval", c.c_uint), ("exchanged", c.c_size_t)]


class Range(c.Structure):
    _fields_ = [("first", c.c_size_t), ("count", c.c_size_t)]


class Form(c.Structure):
    _fields_ = [("kind", c.c_int), ("a", c.c_float), ("b", c.c_float), ("c", c.c_float), ("d", c.c_float),
                ("e", c.c_float), ("rule", c.c_void_p), ("context", c.c_void_p)]


hw.hw_params_defaults.restype = Config
hw.hw_params_defaults.argtypes = [c.c_size_t, c.c_uint]
hw.hw_params_write.restype = c.c_uint64
hw.hw_version.restype = c.c_char_p
config, params, why = hw.hw_params_defaults(4, 1), c.c_void_p(), c.create_string_buffer(256)
config.arrays = 1
assert hw.hw_params_create(c.byref(params), c.byref(config), why) == 0, why.value
g, out = (c.c_float * 4)(1, 2, 3, 4), (c.c_float * 4)()
for step in range(2):  # v' = 0.5 v - g, w += v'
    assert hw.hw_params_write(params, 0, c.byref(Form(1, 0.5, -1.0)), c.byref(Range(0, 4)), c.c_size_t(1), g, None) == step
hw.hw_params_get(params, 0, out)
assert list(out) == [-2.5, -5.0, -7.5, -10.0], list(out)
hw.hw_params_free(params)
print("ctypes: libhogwild", hw.hw_version().decode(), "answers")
