/* test_ranks.c - runs over ranks, one test a start: `mpirun -n N test_ranks NAME`. The job's arithmetic is small and
 * exact, so that what is lost, or counted twice, shows. */
#include "ranks.h"

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(ranks *r);
    } tests[] = {{"sync_equals_threads", sync_equals_threads},
                 {"nothing_is_lost", nothing_is_lost},
                 {"together", together},
                 {"means", means},
                 {"uneven", uneven},
                 {"sums_stay_short", sums_stay_short},
                 {"sparse", sparse},
                 {"alike", alike},
                 {"workers", workers},
                 {"ages", ages},
                 {"momentum_gains", momentum_gains},
                 {"shorter", shorter},
                 {"converges", converges},
                 {"trouble", trouble},
                 {"mismatch", mismatch},
                 {"ends", ends},
                 {"told", told},
                 {"captures", captures},
                 {"captures_by_time", captures_by_time},
                 {"captures_of_others", captures_of_others},
                 {"velocity_is_kept", velocity_is_kept},
                 {"gather", gather},
                 {"pairs", pairs},
                 {"lowers", lowers},
                 {"own_examples", own_examples},
                 {"own_examples_go_on", own_examples_go_on},
                 {"own_epochs_go_on", own_epochs_go_on},
                 {"own_examples_of_others", own_examples_of_others},
                 {"own_parameters", own_parameters},
                 {"endless", endless},
                 {"goes_on", goes_on}};
    ranks r = {0, 0, 0};
    char why[HW_WHY] = "";
    if (argc > 1 && strcmp(argv[1], "serialized") == 0) return serialized(argc, argv);
    if (argc > 1 && strcmp(argv[1], "single") == 0) {
        hw_objective o = objective();
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_result result;
        int given = 0;
        float x[N] = {0};
        if (hw_mpi_train(&o, &c, &m, x, &result) != HW_E_STATE) return 1;
        MPI_Init_thread(&argc, &argv, MPI_THREAD_SINGLE, &given);
        hw_status status = hw_mpi_train(&o, &c, &m, x, &result);
        hw_mpi_end();
        if (given == MPI_THREAD_SINGLE)
            return status != HW_E_UNSUPPORTED || !strstr(result.message, "MPI_THREAD_FUNNELED is enough");
        return status != HW_OK;
    }
    if (hw_mpi_start(&argc, &argv, why) != HW_OK) return 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &r.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &r.count);
    bool known = false;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (argc > 1 && strcmp(argv[1], tests[i].name) == 0) {
            known = true;
            tests[i].run(&r);
        }
    if (!known) fprintf(stderr, "test_ranks: which test?\n");
    bool good = all_of(known && r.failed == 0);
    hw_mpi_end();
    return !good;
}
