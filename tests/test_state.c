/* test_state.c - the bag of named values. */
#include "check.h"

static void states_hold_values(void **unused)
{
    (void)unused;
    hw_state *s = hw_state_create();
    const float x[6] = {1, 2, 3, 4, 5, 6};
    assert_int_equal(hw_state_put(s, "x", HW_F32, 2, (uint64_t[]){2, 3}, x), HW_OK);
    const hw_entry *e = hw_state_find(s, "x");
    void *memory = e->data;
    assert_int_equal((uintptr_t)memory % 64, 0);
    assert_int_equal(e->count, 6);
    assert_memory_equal(e->data, x, sizeof x);
    assert_int_equal(hw_state_put(s, "x", HW_F32, 2, (uint64_t[]){2, 3}, NULL), HW_OK); /* zeros, where it was */
    assert_ptr_equal(hw_state_array(s, "x", HW_F32, 6), memory);
    assert_int_equal(((float *)memory)[5], 0);
    assert_int_equal(hw_state_put_number(s, "n", 7), HW_OK);
    assert_int_equal(hw_state_put_text(s, "t", "text"), HW_OK);
    assert_int_equal(hw_state_put_real(s, "r", 2.5), HW_OK);
    assert_int_equal(hw_state_put_number(s, "n", 8), HW_OK);
    assert_int_equal(hw_state_count(s), 4);
    assert_string_equal(hw_state_entry(s, 1)->name, "n");
    assert_null(hw_state_entry(s, 4));
    assert_int_equal(hw_state_number(s, "n", 1), 8);
    assert_int_equal(hw_state_number(s, "t", 1), 1); /* of another kind */
    assert_int_equal(hw_state_number(s, "none", 1), 1);
    assert_true(hw_state_real(s, "r", 0) == 2.5 && hw_state_real(s, "n", 3) == 3);
    assert_string_equal(hw_state_text(s, "t"), "text");
    assert_null(hw_state_text(s, "n"));
    assert_null(hw_state_array(s, "x", HW_F32, 5));
    assert_null(hw_state_array(s, "x", HW_U32, 6));
    assert_null(hw_state_array(s, "n", HW_F32, 6));
    /* Another kind under a name, another size, and back. */
    assert_int_equal(hw_state_put_text(s, "x", "now a text"), HW_OK);
    assert_string_equal(hw_state_text(s, "x"), "now a text");
    assert_int_equal(hw_state_put(s, "x", HW_F64, 1, (uint64_t[]){1000}, NULL), HW_OK);
    assert_non_null(hw_state_array(s, "x", HW_F64, 1000));
    assert_int_equal(hw_state_count(s), 4);
    for (int i = 0; i < 3000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "layer %d", i);
        assert_int_equal(hw_state_put_number(s, name, (uint64_t)i), HW_OK);
    }
    assert_int_equal(hw_state_number(s, "layer 2999", 0), 2999);
    assert_int_equal(hw_state_number(s, "layer 17", 0), 17);
    hw_state_clear(s);
    assert_int_equal(hw_state_count(s), 0);
    assert_null(hw_state_find(s, "x"));
    assert_int_equal(hw_state_put_number(s, "again", 1), HW_OK);
    hw_state_free(s);
    hw_state_free(NULL);
}

static void states_refuse(void **unused)
{
    (void)unused;
    hw_state *s = hw_state_create();
    char name[HW_STATE_NAME + 1];
    memset(name, 'a', sizeof name);
    name[HW_STATE_NAME] = 0;
    const char *bad[] = {"", "a\"b", "a'b", "a\\b", "a\nb", "\xc3\xbc", "a\x7f", "__metadata__", name, NULL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(hw_state_put_number(s, bad[i], 1), HW_E_ARGUMENT);
        assert_int_equal(hw_state_put_real(s, bad[i], 1), HW_E_ARGUMENT);
        assert_int_equal(hw_state_put_text(s, bad[i], ""), HW_E_ARGUMENT);
        assert_int_equal(hw_state_put(s, bad[i], HW_U8, 0, NULL, NULL), HW_E_ARGUMENT);
    }
    const uint64_t large[] = {(uint64_t)1 << 32, (uint64_t)1 << 32, 0, 1, 1}, half[] = {UINT64_MAX / 2 + 2};
    assert_int_equal(hw_state_put(s, "x", HW_F32, 2, large, NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_state_put(s, "x", HW_F32, 3, large, NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_state_put(s, "x", HW_U8, 1, half, NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_state_put(s, "x", HW_U8, 5, large, NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_state_put(s, "x", (hw_dtype)99, 1, half, NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_state_put(s, "x", HW_U8, 1, NULL, NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_state_put_text(s, "x", NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_state_put(NULL, "x", HW_U8, 0, NULL, NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_state_count(s), 0);
    name[HW_STATE_NAME - 1] = 0;
    assert_int_equal(hw_state_put_number(s, name, 1), HW_OK);
    assert_int_equal(hw_dtype_size((hw_dtype)99), 0);
    hw_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_hold_values),
        cmocka_unit_test(states_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
