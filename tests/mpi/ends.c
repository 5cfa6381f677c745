/* ends.c - how runs over ranks end, what they refuse, and what they tell. */
#include "ranks.h"

void trouble(ranks *r)
{
    for (int i = 0; i < 6; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        const bool gathers = i >= 4, step = i % 2 && !gathers, nan = i == 2 || i == 3 || i == 5;
        hw_config c = step ? in_step(1) : own(gathers ? 1 : 2);
        hw_mpi m = mpi_of(step ? HW_MPI_SYNC : HW_MPI_ASYNC);
        hw_result result;
        float x[N] = {0};
        if (gathers && r->count > 1) m.gather = (uint32_t)r->count; /* nothing would land any more */
        char name[32];
        int who = r->count - 1;
        c.epochs = 1000;
        c.evaluate_epochs = 0;
        k->slow = true;
        k->nan = nan;
        if (r->rank == who) k->fails_at = 20;
        hw_status status = hw_mpi_train(&o, &c, &m, x, &result);
        CHECK(r, status == (nan ? HW_E_DIVERGED : 1234) && result.status == status);
        if (!nan) CHECK_TEXT(r, result.message, "the well has run dry");
        (void)snprintf(name, sizeof name, "rank %d: ", who);
        if (!nan && r->rank != who) CHECK_TEXT(r, result.message, name);
        CHECK(r, result.reason == HW_STOP_ERROR);
        for (int j = 0; j < N; j++) {
            float first = x[j];
            MPI_Bcast(&first, 1, MPI_FLOAT, 0, MPI_COMM_WORLD);
            CHECK(r, isfinite(x[j]) && x[j] == first);
        }
        free(k);
    }
}

/* What differs is named, with both values, on every rank. */
void mismatch(ranks *r)
{
    bool odd = r->rank == r->count - 1;
    float x[N] = {0};
    char other[64];
    hw_result result;
    (void)snprintf(other, sizeof other, "on rank %d", r->count - 1);
    for (int i = 0; i < 6 && r->count > 1; i++) {
        hw_objective o = objective();
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        const char *sentence[] = {
            "config.batch is 4 on rank 0, but 5",      "the objective's parameters is 70 on rank 0",
            "the objective's name is ranks on rank 0", "mpi.interval is 0 on rank 0, but 2",
            "begin with different parameters",         "config.momentum"};
        if (odd && i == 0) c.batch = 5;
        if (odd && i == 1) o.parameters = 64;
        if (odd && i == 2) o.name = "bench";
        if (odd && i == 3) m.interval = 2;
        x[5] = odd && i == 4;
        if (odd && i == 5) c.optimizer.momentum = 0.5;
        hw_status status = hw_mpi_train(&o, &c, &m, x, &result);
        if (i == 5) {
            CHECK(r, status == HW_E_ARGUMENT);
            CHECK_TEXT(r, result.message, "momentum.target is 0 on rank 0, but 0.5");
            continue;
        }
        CHECK(r, status == HW_E_ARGUMENT && result.status == HW_E_ARGUMENT);
        CHECK_TEXT(r, result.message, sentence[i]);
        if (i < 4) CHECK_TEXT(r, result.message, other);
    }
    /* One rank's own fault is everybody's. */
    hw_objective o = objective();
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_SYNC);
    x[5] = 0;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_E_UNSUPPORTED);
    CHECK_TEXT(r, result.message, "config.scheduler must be sync");
    m.scheduler = (hw_mpi_scheduler)7;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_E_ARGUMENT);
    m = mpi_of(HW_MPI_ASYNC);
    m.struct_size = 3;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_E_ARGUMENT);
    m = mpi_of(HW_MPI_ASYNC);
    m.interval = 8;
    m.bound = 4;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_E_ARGUMENT);
    CHECK_TEXT(r, result.message, "mpi.bound is 4: it must be 0, or at least the interval of 8");
    m.bound = 0;
    c.epochs = 1;
    c.batch = 180;
    m.interval = 1;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == (r->count > 1 ? HW_E_ARGUMENT : HW_OK));
    if (r->count > 1) CHECK_TEXT(r, result.message, "too few for");
}

/* Flags on any rank, callbacks and time on rank 0, and a target end all of them, and say why. */
void ends(ranks *r)
{
    static volatile sig_atomic_t flag;
    for (int i = 0; i < 8; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        bool step = i % 2;
        hw_config c = step ? in_step(1) : own(1);
        hw_mpi m = mpi_of(step ? HW_MPI_SYNC : HW_MPI_ASYNC);
        watched w = {.exact = true};
        hw_result result;
        float x[N] = {0};
        k->slow = true;
        c.epochs = 2000;
        if (step) {
            c.optimizer.schedule.base = 1;
            c.optimizer.momentum = 0;
        }
        flag = r->rank == r->count - 1;
        if (i < 2) c.stop_flag = &flag;
        if (i == 2 || i == 3) {
            c.on_evaluation = see;
            c.context = &w;
            w.stop_after = 2;
        }
        if (i == 4 || i == 5) c.seconds = 0.2;
        if (i >= 6) {
            c.target = 100;
            c.target_metric = 0; /* at or below: at once */
        }
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        const hw_stop_reason reason[] = {HW_STOP_ASKED, HW_STOP_CALLBACK, HW_STOP_SECONDS, HW_STOP_TARGET};
        CHECK(r, result.reason == reason[i / 2]);
        CHECK(r, result.updates < 2000u * EXAMPLES / 17 && (i < 2 || result.updates > 0));
        CHECK(r, i != 2 || r->rank != 0 || w.exact);
        for (int j = 0; j < N; j++) CHECK(r, x[j] == (float)result.updates);
        free(k);
    }
}

/* Evaluations are told in the numbers of all ranks, and the job is one JSON object with what each rank did. */
void told(ranks *r)
{
    for (int i = 0; i < 2; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = i ? objective() : counted(k);
        hw_config c = i ? in_step(1) : own(1);
        hw_mpi m = mpi_of(i ? HW_MPI_SYNC : HW_MPI_ASYNC);
        hw_mpi_job *job = NULL;
        hw_engine *e = NULL;
        hw_result result;
        char why[HW_WHY] = "", *text = NULL;
        float x[N] = {0};
        size_t count = 0, length = 0;
        c.evaluate_epochs = 2;
        CHECK(r, hw_mpi_create(&job, &o, &c, &m, why) == HW_OK);
        CHECK(r, hw_engine_create(&e, &o, &c, x, why) == HW_OK);
        FILE *out = open_memstream(&text, &length);
        CHECK(r, hw_mpi_run_json(job, e, "early", &result, out) == HW_E_STATE);
        CHECK(r, hw_mpi_run(job, e, &result) == HW_OK);
        const hw_evaluation *evaluation = hw_engine_evaluations(e, &count);
        CHECK(r, count >= 2 && evaluation[count - 1].update == result.updates);
        for (size_t n = 1; n < count; n++) CHECK(r, evaluation[n].update > evaluation[n - 1].update);
        CHECK(r, i || r->count == 1 || (count && evaluation[0].update == 2 * EXAMPLES / 4));
        CHECK(r, hw_mpi_run_json(job, e, "told", &result, out) == HW_OK);
        fclose(out);
        int open = 0;
        for (size_t n = 0; n < length; n++)
            open += (text[n] == '{' || text[n] == '[') - (text[n] == '}' || text[n] == ']');
        CHECK(r, open == 0);
        if (r->rank == 0) {
            char last[40];
            (void)snprintf(last, sizeof last, "{\"rank\":%d,", r->count - 1);
            CHECK_TEXT(r, text, "{\"name\":\"told\"");
            CHECK_TEXT(r, text, ",\"ranks\":[{\"rank\":0,");
            CHECK(r, r->count == 1 || (strstr(text, ",\"pairs\":[[0,") != NULL) == !i);
            CHECK_TEXT(r, text,
                       i ? "\"mpi\":{\"scheduler\":\"sync\",\"momentum\":0.5" : "\"mpi\":{\"scheduler\":\"async\"");
            CHECK_TEXT(r, text,
                       i ? "\"sum\":\"ordered\"" : "\"velocity\":\"owners\",\"combine\":\"sums\",\"data\":\"whole\"");
            CHECK_TEXT(r, text, last);
            CHECK(r, (strstr(text, "\"landed\":{\"total\":") != NULL) == (!i && r->count > 1));
        } else {
            CHECK(r, length == 0);
        }
        free(text);
        hw_engine_free(e);
        hw_mpi_free(job);
        free(k);
    }
}
