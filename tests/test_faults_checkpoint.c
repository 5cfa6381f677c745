/* test_faults_checkpoint.c - allocations that fail in states and checkpoints, jansson's among them; and a state that
 * has been filled once is filled again without any. */
#include "faults.h"
#include "checkpoint_files.h"
#include <jansson.h>
#include <unistd.h>

static image sample;

static hw_status fill(hw_state *s)
{
    const float x[3] = {1, 2, 3};
    hw_status status = hw_state_put(s, "x", HW_F32, 1, (uint64_t[]){3}, x);
    if (status == HW_OK) status = hw_state_put(s, "y", HW_U8, 2, (uint64_t[]){2, 5}, NULL);
    if (status == HW_OK) status = hw_state_put_number(s, "n", UINT64_MAX);
    if (status == HW_OK) status = hw_state_put_real(s, "r", 1.0 / 3);
    if (status == HW_OK) status = hw_state_put_text(s, "t", "a text");
    if (status == HW_OK) status = hw_state_put_text(s, "latin", "\xff a text");
    return status;
}

static hw_status use_state(int i)
{
    hw_state *s = hw_state_create();
    if (!s) return HW_E_MEMORY;
    hw_status status = fill(s);
    char name[32];
    for (int k = 0; k < 40 && status == HW_OK && i; k++) {
        (void)snprintf(name, sizeof name, "number %d", k);
        status = hw_state_put_number(s, name, (uint64_t)k);
    }
    if (status == HW_OK) { /* larger: what failed to grow keeps its value */
        status = hw_state_put(s, "x", HW_F64, 1, (uint64_t[]){100}, NULL);
        if (status != HW_OK && !hw_state_array(s, "x", HW_F32, 3)) status = HW_E_STATE;
    }
    hw_state_free(s);
    return status;
}

static hw_status use_file(int i)
{
    hw_state *s = hw_state_create();
    char why[HW_WHY] = "";
    if (!s) return HW_E_MEMORY;
    hw_status status = i == 1 ? read_image(s, sample, why) : fill(s);
    if (status == HW_OK && i == 0) status = hw_state_save(s, "faults-file", why);
    if (status == HW_E_MEMORY && i && hw_state_count(s)) status = HW_E_STATE; /* a failed load leaves it empty */
    hw_state_free(s);
    if (i == 0 && status == HW_OK) remove("faults-file");
    if (i == 0 && status != HW_OK && access("faults-file", F_OK) == 0) return HW_E_STATE;
    return status;
}

static hw_status use_folder(int i)
{
    hw_state *s = hw_state_create();
    char why[HW_WHY] = "", path[200];
    if (!s) return HW_E_MEMORY;
    hw_status status = i ? HW_OK : fill(s);
    static uint64_t step; /* there are always some too old */
    if (status == HW_OK && i == 0) status = hw_checkpoint_save("faults-folder", ++step, 2, s, why);
    if (i) status = hw_checkpoint_load("faults-folder", s, path, sizeof path, why);
    if (status == HW_OK && i && hw_state_number(s, "n", 0) != UINT64_MAX) status = HW_E_STATE;
    hw_state_free(s);
    return status;
}

static void memory_fails_everywhere(void **state)
{
    (void)state;
    const fault_call list[] = {{"state", use_state, 2, false},
                               {"file", use_file, 2, false},
                               {"folder", use_folder, 2, true}}; /* what is too old may stay */
    assert_int_equal(system("rm -rf faults-folder"), 0);
    assert_true(faults_everywhere(list, sizeof list / sizeof *list) > 300);
    assert_int_equal(system("rm -r faults-folder"), 0);
}

static void filling_again_allocates_nothing(void **state)
{
    (void)state;
    hw_state *s = hw_state_create();
    assert_int_equal(fill(s), HW_OK);
    long before = calls;
    for (int i = 0; i < 10; i++) assert_int_equal(fill(s), HW_OK);
    assert_int_equal(hw_state_put(s, "y", HW_U8, 2, (uint64_t[]){5, 2}, NULL), HW_OK);
    assert_int_equal(hw_state_put_text(s, "t", "short"), HW_OK);
    assert_int_equal(calls, before);
    hw_state_free(s);
}

int main(void)
{
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    sample = sample_image();
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_fails_everywhere),
                                       cmocka_unit_test(filling_again_allocates_nothing)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(sample.bytes);
    return failed;
}
