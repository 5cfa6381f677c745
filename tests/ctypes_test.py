"""A run from Python's ctypes, without knowing how any struct is laid out. argv: the library."""
import ctypes as c
import json
import sys

hw = c.CDLL(sys.argv[1])
hw.hw_config_new.restype = hw.hw_objective_new.restype = c.c_void_p
hw.hw_version.restype = hw.hw_engine_sentence.restype = c.c_char_p
hw.hw_batch_index.restype, hw.hw_batch_count.restype = c.POINTER(c.c_uint32), c.c_uint32
hw.hw_engine_number.restype = hw.hw_evaluation_metric.restype = c.c_double
Gradient = c.CFUNCTYPE(c.c_double, c.c_void_p, c.c_void_p, c.c_void_p, c.POINTER(c.c_float), c.POINTER(c.c_float))
Evaluate = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.POINTER(c.c_float), c.c_uint32, c.c_uint32,
                       c.POINTER(c.c_double))
OnEvaluation = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p)
n, why, seen = 16, c.create_string_buffer(256), []


@Gradient
def loss_gradient(_self, _scratch, batch, x, g):  # half the squared distance to each example's place, averaged
    index, count, loss = hw.hw_batch_index(c.c_void_p(batch)), hw.hw_batch_count(c.c_void_p(batch)), 0.0
    for j in range(n):
        g[j] = sum(x[j] - (j + index[i] % 2) for i in range(count)) / count
        loss += g[j] ** 2 / 2
    return loss


@Evaluate
def evaluate(_self, _scratch, x, _first, count, sums):
    sums[0] = count * sum((x[j] - j - 0.5) ** 2 for j in range(n))
    return 0


@OnEvaluation
def on_evaluation(_context, evaluation):
    seen.append(hw.hw_evaluation_metric(c.c_void_p(evaluation), 0))
    return 0


config, objective = c.c_void_p(hw.hw_config_new()), c.c_void_p(hw.hw_objective_new(b"places", c.c_size_t(n)))
for name, value in {"workers": "2", "epochs": "0", "updates": "300", "batch": "8", "learning_rate": "0.05"}.items():
    assert hw.hw_config_set(config, name.encode(), value.encode(), why) == 0, why.value
assert hw.hw_config_set(config, b"workers", b"none", why) != 0 and b"workers" in why.value
hw.hw_objective_set_gradient(objective, loss_gradient, 64)
hw.hw_objective_set_evaluation(objective, evaluate, 1, 1, 1)
hw.hw_config_on_evaluation(config, on_evaluation)
x, engine = (c.c_float * n)(), c.c_void_p()
assert hw.hw_engine_create(c.byref(engine), objective, config, x, why) == 0, why.value
assert hw.hw_engine_run(engine, None) == 0, hw.hw_engine_sentence(engine)
assert hw.hw_engine_get(engine, x) == 0
assert max(abs(x[j] - j - 0.5) for j in range(n)) < 0.3, list(x)
length = c.c_size_t()
assert hw.hw_result_json(engine, b"ctypes", None, c.c_size_t(0), c.byref(length)) == 0
text = c.create_string_buffer(length.value + 1)
assert hw.hw_result_json(engine, b"ctypes", text, c.c_size_t(len(text)), None) == 0
record = json.loads(text.value)
assert record["updates"] == 300 == hw.hw_engine_number(engine, b"updates") and record["objective"] == "places"
for name, value in record.items():  # every single number of the record by its name
    if isinstance(value, (int, float)) and name not in ("cores", "processors"):
        assert abs(hw.hw_engine_number(engine, name.encode()) - value) <= 1e-8 * abs(value), name
assert seen and seen[-1] < 1, seen
hw.hw_engine_free(engine), hw.hw_objective_free(objective), hw.hw_config_free(config)
print("ctypes: libhogwild", hw.hw_version().decode(), "trained", n, "parameters to", seen[-1])
