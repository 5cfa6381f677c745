/* test_checkpoint_folder.c - a folder keeps the last few checkpoints, loads the newest whole one, and is cleaned of
 * what a killed process left. */
#include "checkpoint_files.h"
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char why[HW_WHY];

static bool there(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0;
}

static void empty_folder(const char *folder)
{
    DIR *d = opendir(folder);
    char path[600];
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        (void)remove(path);
    }
    closedir(d);
    assert_int_equal(rmdir(folder), 0);
}

static void a_folder_keeps_the_last(void **unused)
{
    (void)unused;
    hw_state *s = hw_state_create(), *back = hw_state_create();
    char path[200];
    empty_folder("runs");
    assert_int_equal(hw_checkpoint_load("runs", back, NULL, 0, why), HW_E_IO);
    for (uint64_t step = 1; step <= 7; step++) {
        sample_state(s);
        hw_state_put_number(s, "n", step);
        assert_int_equal(hw_checkpoint_save("runs", 10 * step, 3, s, why), HW_OK);
        assert_string_equal(why, "");
        assert_int_equal(hw_checkpoint_load("runs", back, path, sizeof path, why), HW_OK);
        assert_string_equal(why, "");
        assert_int_equal(hw_state_number(back, "n", 0), step);
        assert_same(s, back);
    }
    assert_string_equal(path, "runs/checkpoint-000000000070.safetensors");
    assert_true(there(path) && there("runs/checkpoint-000000000060.safetensors") &&
                there("runs/checkpoint-000000000050.safetensors"));
    assert_false(there("runs/checkpoint-000000000040.safetensors"));
    uint64_t newest = 0;
    char name[64];
    assert_int_equal(hw_checkpoint_newest("runs", &newest), HW_OK);
    assert_int_equal(newest, 70);
    assert_int_equal(hw_checkpoint_newest("no-such-folder", &newest), HW_E_IO);
    assert_int_equal(hw_checkpoint_name(70, name, sizeof name), HW_OK);
    assert_string_equal(name, "checkpoint-000000000070.safetensors");
    assert_int_equal(hw_checkpoint_name(70, name, 10), HW_E_ARGUMENT);
    assert_int_equal(hw_checkpoint_name(1000000000000, name, sizeof name), HW_E_ARGUMENT);
    /* A file instead of a folder. */
    assert_int_equal(hw_checkpoint_load("runs/checkpoint-000000000050.safetensors", back, path, sizeof path, why),
                     HW_OK);
    assert_int_equal(hw_state_number(back, "n", 0), 5);
    assert_string_equal(path, "runs/checkpoint-000000000050.safetensors");
    assert_int_equal(hw_checkpoint_save("runs/checkpoint-000000000050.safetensors", 1, 2, s, why), HW_E_IO);
    /* A lower number than those of before: what was just written stays. */
    assert_int_equal(hw_checkpoint_save("runs/", 5, 2, s, why), HW_OK);
    assert_true(there("runs/checkpoint-000000000005.safetensors") && there("runs/checkpoint-000000000070.safetensors"));
    assert_false(there("runs/checkpoint-000000000060.safetensors"));
    /* The same number again. */
    hw_state_put_number(s, "n", 99);
    assert_int_equal(hw_checkpoint_save("runs", 70, 2, s, why), HW_OK);
    assert_int_equal(hw_checkpoint_load("runs", back, path, sizeof path, why), HW_OK);
    assert_int_equal(hw_state_number(back, "n", 0), 99);
    assert_int_equal(hw_checkpoint_save("runs", 999999999999, 2, s, why), HW_OK);
    assert_int_equal(hw_checkpoint_save("runs", 1000000000000, 2, s, why), HW_E_ARGUMENT);
    assert_int_equal(hw_checkpoint_save("runs", 1, 1, s, why), HW_E_ARGUMENT);
    assert_text(why, "at least 2");
    assert_int_equal(hw_checkpoint_save("", 1, 2, s, why), HW_E_ARGUMENT);
    assert_int_equal(hw_checkpoint_save("runs/a/b", 1, 2, s, why), HW_E_IO);
    assert_int_equal(hw_checkpoint_load("runs", back, path, 20, why), HW_E_ARGUMENT);
    assert_int_equal(hw_checkpoint_load("runs", NULL, path, 20, why), HW_E_ARGUMENT);
    empty_folder("runs");
    hw_state_free(s);
    hw_state_free(back);
}

static void damaged_ones_are_passed_over(void **unused)
{
    (void)unused;
    hw_state *s = hw_state_create(), *back = hw_state_create();
    char path[200];
    empty_folder("runs");
    for (uint64_t step = 1; step <= 4; step++) {
        hw_state_put_number(s, "n", step);
        assert_int_equal(hw_checkpoint_save("runs", step, 5, s, why), HW_OK);
    }
    assert_int_equal(truncate("runs/checkpoint-000000000004.safetensors", 100), 0);
    write_bytes("runs/checkpoint-000000000003.safetensors", "nonsense", 8);
    assert_int_equal(hw_checkpoint_load("runs", back, path, sizeof path, why), HW_OK);
    assert_int_equal(hw_state_number(back, "n", 0), 2);
    assert_string_equal(path, "runs/checkpoint-000000000002.safetensors");
    assert_text(why, "passed over: checkpoint-000000000004.safetensors (");
    assert_text(why, ", checkpoint-000000000003.safetensors");
    assert_text(why, "a header of ");
    assert_int_equal(hw_checkpoint_load("runs", back, NULL, 0, NULL), HW_OK);
    write_bytes("runs/checkpoint-000000000002.safetensors", "", 0);
    write_bytes("runs/checkpoint-000000000001.safetensors", "x", 1);
    assert_int_equal(hw_checkpoint_load("runs", back, path, sizeof path, why), HW_E_FORMAT);
    assert_text(why, "runs: no checkpoint in it is whole");
    assert_int_equal(hw_state_count(back), 0);
    for (uint64_t step = 5; step < 40; step++) { /* more than a sentence can name */
        (void)snprintf(path, sizeof path, "runs/checkpoint-%012d.safetensors", (int)step);
        write_bytes(path, "x", 1);
    }
    assert_int_equal(hw_checkpoint_load("runs", back, path, sizeof path, why), HW_E_FORMAT);
    empty_folder("runs");
    hw_state_free(s);
    hw_state_free(back);
}

static void left_overs_are_removed(void **unused)
{
    (void)unused;
    hw_state *s = hw_state_create();
    pid_t dead = fork();
    if (dead == 0) _exit(0);
    assert_int_equal(waitpid(dead, NULL, 0), dead); /* a number that no process has now */
    empty_folder("runs");
    assert_int_equal(mkdir("runs", 0777), 0);
    const char *name = "runs/checkpoint-000000000001.safetensors.tmp.";
    char gone[100], own[100], living[100], last[100];
    (void)snprintf(gone, sizeof gone, "%s%ld", name, (long)dead);
    (void)snprintf(own, sizeof own, "%s%ld", name, (long)getpid());
    (void)snprintf(last, sizeof last, "runs/checkpoint-000000000002.safetensors.tmp.%ld", (long)getpid());
    (void)snprintf(living, sizeof living, "%s%ld", name, (long)getppid());
    const char *others[] = {"runs/notes",
                            "runs/checkpoint-1.safetensors",
                            "runs/checkpoint-000000000001.safetensors.tmp.",
                            "runs/checkpoint-000000000001.safetensors.tmp.x",
                            "runs/checkpoint-000000000001.safetensors.tmp.0",
                            "runs/checkpoint-000000000001.safetensors.tmp.-1",
                            "runs/checkpoint-000000000001.safetensors.tmp.99999999999999",
                            "runs/checkpoint-000000000001.safetensors.old",
                            "runs/checkpoint-00000000001x.safetensors",
                            "runs/xheckpoint-000000000001.safetensors",
                            "runs/checkpoint-000000000001.safetensorx"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) write_bytes(others[i], "mine", 4);
    write_bytes(gone, "x", 1);
    write_bytes(own, "x", 1);
    write_bytes(last, "x", 1);
    write_bytes(living, "x", 1);
    hw_state *back = hw_state_create();
    assert_int_equal(hw_checkpoint_load("runs", back, NULL, 0, why), HW_E_IO); /* a load removes nothing */
    assert_text(why, "there is no checkpoint in it");
    assert_true(there(gone));
    for (uint64_t step = 2; step < 6; step++) assert_int_equal(hw_checkpoint_save("runs", step, 2, s, why), HW_OK);
    assert_false(there(gone) || there(own) || there(last));
    assert_true(there(living));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_true(there(others[i]));
    empty_folder("runs");
    hw_state_free(s);
    hw_state_free(back);
}

/* A failed save leaves no temporary file and what was there.. */
static void a_failed_save_leaves_the_old(void **unused)
{
    (void)unused;
    empty_folder("runs");
    hw_state *s = hw_state_create();
    hw_state_put_number(s, "n", 1);
    assert_int_equal(hw_checkpoint_save("runs", 1, 2, s, why), HW_OK);
    assert_int_equal(mkdir("runs/checkpoint-000000000002.safetensors", 0777), 0); /* rename cannot replace it */
    assert_int_equal(hw_checkpoint_save("runs", 2, 2, s, why), HW_E_IO);
    assert_text(why, "writing failed");
    int files = 0;
    DIR *d = opendir("runs");
    while (readdir(d)) files++;
    closedir(d);
    assert_int_equal(files, 4); /* . .. and the two */
    hw_state *back = hw_state_create();
    assert_int_equal(hw_checkpoint_load("runs", back, NULL, 0, why), HW_OK);
    assert_text(why, "no regular file");
    assert_int_equal(hw_state_number(back, "n", 0), 1);
    empty_folder("runs");
    hw_state_free(s);
    hw_state_free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_keeps_the_last),
        cmocka_unit_test(damaged_ones_are_passed_over),
        cmocka_unit_test(left_overs_are_removed),
        cmocka_unit_test(a_failed_save_leaves_the_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
