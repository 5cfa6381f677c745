/* optimizer.h - the step rule, the learning-rate schedule, and the compensation of asynchrony's momentum.
 *
 * Notation: mu* wanted total momentum, mu_L explicit momentum, mu_S implicit momentum (of asynchrony), alpha* wanted
 * learning rate, tau staleness, M workers (G groups). The velocity is v = w_t - w_{t-1}, the learning rate inside
 * (Caffe's form with the sign turned): v' = mu_L v - alpha g, w += v'. */
#ifndef HOGWILD_OPTIMIZER_H
#define HOGWILD_OPTIMIZER_H

#include "base.h"
#include "modes.h"
#include "staleness.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- learning-rate schedule: t counts updates -------------------------------------------------------------------- */

typedef enum hw_schedule_kind {
    HW_SCHEDULE_CONSTANT,    /* base                                                     */
    HW_SCHEDULE_STEP,        /* base gamma^floor(t / interval)                           */
    HW_SCHEDULE_INV,         /* base (1 + gamma t)^(-power)      (Caffe's "inv")         */
    HW_SCHEDULE_EXPONENTIAL, /* base gamma^t                                             */
    HW_SCHEDULE_COSINE,      /* base (1 + cos(pi min(t, interval) / interval)) / 2       */
    HW_SCHEDULE_LINEAR       /* base max(1 - t / interval, 10^-4)        (word2vec's)    */
} hw_schedule_kind;

typedef struct hw_schedule {
    hw_schedule_kind kind;
    double base; /* learning rate, > 0                                             */
    double gamma, power;
    uint64_t interval; /* updates                                                        */
    uint64_t warmup;   /* the first `warmup` updates rise linearly to the schedule       */
} hw_schedule;

HW_API double hw_schedule_rate(const hw_schedule *schedule, uint64_t t);

/* --- rules ---------------------------------------------------------------------------------------------------------
 */

/* Every rule once: its value, the library's row, what options call it, and its step. Values never change. */
#define HW_RULE_TABLE(X)                                                                              \
    X(HW_RULE_SGD, sgd, "sgd", "heavy ball; plain SGD at momentum 0")                                 \
    X(HW_RULE_NESTEROV, nesterov, "nesterov", "v' = mu v - alpha g, w += mu v' - alpha g")            \
    X(HW_RULE_ADAGRAD, adagrad, "adagrad", "s += g^2, w -= alpha g / (sqrt(s) + epsilon)")            \
    X(HW_RULE_ADAM, adam, "adam", "Kingma & Ba; momentum is beta 1 (its compensation: experimental)") \
    X(HW_RULE_USER, user, "user", "config.optimizer.user_rule")

#define HW_X(value, row, name, help) value,
typedef enum hw_rule_kind { HW_RULE_TABLE(HW_X) } hw_rule_kind;
#undef HW_X

/* Shared: one velocity beside the parameters, the papers' w_t - w_{t-1}. Private: one per worker, which decays once per
 * M global updates; compensation none, fixed or the user's only. */
typedef enum hw_velocity { HW_VELOCITY_SHARED, HW_VELOCITY_PRIVATE } hw_velocity;

typedef struct hw_rule_info {
    double learning_rate, momentum; /* in force for this update and section */
    uint64_t update;                /* updates landed when the write began  */
    size_t first;                   /* index of the first parameter         */
    const uint32_t *indices;        /* of all, where they are no stretch; or NULL */
} hw_rule_info;

/* A rule of the user's: sees private copies of at most HW_RULE_BLOCK parameters, changes state in place, fills
 * delta (w += delta). Called by many workers at once, with a stripe's lock (STRIPED) or the mutex (LOCKED) held: it
 * must not block; keep nothing in self that is not constant. */
typedef struct hw_rule {
    const char *name;
    unsigned state_per_parameter; /* 0 .. HW_MAX_ARRAYS */
    void (*delta)(void *self, const float *w, float *const *state, const float *g, float *delta, size_t n,
                  const hw_rule_info *info);
    void *self;
} hw_rule;

/* Multipliers for a stretch of the parameters (Caffe's biases: rate 2, decay 0 or 1). Stretches may not overlap. */
typedef struct hw_section {
    size_t first, count;
    float rate, decay;
} hw_section;

typedef struct hw_optimizer {
    hw_rule_kind rule;
    const hw_rule *user_rule; /* HW_RULE_USER */
    hw_velocity velocity;
    double momentum;       /* mu*, [0, 1)                                               */
    double weight_decay;   /* g += weight_decay * (the values read)                     */
    double clip_norm;      /* 0: off; else a gradient of larger L2 norm is scaled to it */
    double beta2, epsilon; /* Adam, AdaGrad                                             */
    hw_schedule schedule;
    const hw_section *sections;
    size_t n_sections; /* borrowed while the engine lives                           */
} hw_optimizer;

/* --- compensation --------------------------------------------------------------------------------------------------
 */

/* Every policy once: its value, the library's row, what options call it, and what it does. Values never change.
 *
 *   AUTO        look-ahead, at a rate that finds its place (hw_compensation.margin, hw_engine_returns)
 *   NONE        mu_L = mu*
 *   FIXED       mu_L = fixed
 *   THEORY      mu_L = mu* - (1 - 1/M)                        (Mitliagkas et al., Theorem 5)
 *   MEASURED    mu_L = mu* - mu_S of the measured tail where the histogram is geometric; else auto
 *   POLE_ZERO   v' = mu* v - alpha (g_t - r g_{t-1}) / (1 - r), r = shrinkage * mu_S
 *   MEAN_LAG    mu_L / (1 - mu_L) = mu* / (1 - mu*) - mean staleness
 *   LOOK_AHEAD  read w + s v, s = mu* (1 - mu*^tau) / (1 - mu*)  (the idea of DANA) */
#define HW_POLICY_TABLE(X)                                                                         \
    X(HW_POLICY_AUTO, auto, "auto", "look-ahead, and a learning rate that finds its place")        \
    X(HW_POLICY_NONE, none, "none", "the momentum as asked for")                                   \
    X(HW_POLICY_FIXED, fixed, "fixed", "the momentum of compensation.fixed")                       \
    X(HW_POLICY_THEORY, theory, "theory", "1 - 1/M taken off the momentum")                        \
    X(HW_POLICY_MEASURED, measured, "measured", "the measured momentum taken off")                 \
    X(HW_POLICY_POLE_ZERO, pole_zero, "pole-zero", "asynchrony's pole cancelled by a lagged tap")  \
    X(HW_POLICY_MEAN_LAG, mean_lag, "mean-lag", "the mean staleness taken off the momentum's lag") \
    X(HW_POLICY_LOOK_AHEAD, look_ahead, "look-ahead", "reads ahead along the velocity")            \
    X(HW_POLICY_USER, user, "user", "config.compensation.user")

#define HW_X(value, row, name, help) value,
typedef enum hw_policy { HW_POLICY_TABLE(HW_X) } hw_policy;
#undef HW_X
#define HW_POLICY_EXACT HW_POLICY_POLE_ZERO /* its name in 0.1 */

/* Beside the policy: how the step depends on the age of the single gradient, tau at its landing (on real threads as
 * counted just before the landing). The kernel alpha q_l becomes alpha(l) q_l. Values never change.
 *
 *   EXPONENTIAL   alpha gamma e^-tau, fresh ones alpha   (Wang et al.)
 *   POWER         alpha gamma n^-tau, fresh ones alpha   (Wang et al.)
 *   INVERSE       alpha / max(1, tau)                    (Zhang et al. 2015)
 *   CONCURRENCY   alpha M / max(M, tau)                  (Mishchenko et al. 2022)
 *   DROP          alpha up to tau = M, 0 beyond          (as Koloskova et al. 2022)
 *
 * By the staleness q that the engine has recorded, in earlier runs too (alpha before the first whole window, which is
 * config.compensation.window updates):
 *
 *   TAIL          alpha (1 + gamma (1 - 2 F(tau)))       (TAIL-tau, Baeckstroem et al. 2022)
 *                 F: q's distribution function, half of the own age; the mean step stays alpha; gamma in [0, 1]
 *   KERNEL        alpha min(4, s h(tau) / q(tau))        (a wanted kernel)
 *                 h: of momentum 1/n; s: so that the mean step is gamma alpha, gamma in [0, 4]; what is older than
 *                 all that was seen has the oldest one's factor. Where there is staleness of every age, what is left
 *                 of it is that momentum */
#define HW_AGE_TABLE(X)                                                      \
    X(HW_AGE_NONE, none, "none", "none")                                     \
    X(HW_AGE_EXPONENTIAL, exponential, "exponential", "gamma e^-age")        \
    X(HW_AGE_POWER, power, "power", "gamma n^-age")                          \
    X(HW_AGE_INVERSE, inverse, "inverse", "1 / age")                         \
    X(HW_AGE_CONCURRENCY, concurrency, "concurrency", "M / max(M, age)")     \
    X(HW_AGE_DROP, drop, "drop", "none above M")                             \
    X(HW_AGE_TAIL, measured, "tail", "1 + gamma (1 - 2 F(age)), F measured") \
    X(HW_AGE_KERNEL, measured, "kernel", "what makes the measured kernel one of momentum 1 / n")

#define HW_X(value, row, name, help) value,
typedef enum hw_age { HW_AGE_TABLE(HW_X) } hw_age;
#undef HW_X

/* What is in force from update `update` on. */
typedef struct hw_setting {
    uint64_t update;
    double rate;     /* multiplies the schedule's learning rate                          */
    double momentum; /* mu_L                                                             */
    double delay;    /* look-ahead: the delay in updates that s is made for; else 0      */
    double ahead;    /* s                                                                */
    union {
        double pole, exact; /* r of POLE_ZERO; 0 without (exact: its name in 0.1) */
    };
    double implicit;  /* the mu_S that was assumed or measured; NaN where none was needed */
    hw_policy policy; /* that computed it (MEASURED may have handed over to AUTO)         */
    char reason[120];
} hw_setting;

typedef struct hw_policy_input {
    uint64_t update;
    unsigned workers;                  /* M, or G in GROUPS                                            */
    double momentum;                   /* mu*                                                          */
    double learning_rate;              /* alpha* by the schedule                                       */
    double curvature;                  /* largest Hessian eigenvalue; 0 where unknown                  */
    const hw_histogram *staleness;     /* of the last window; NULL before the first               */
    const hw_staleness_summary *shape; /* its summary; NULL before the first                       */
} hw_policy_input;

/* Fill *setting (it comes with no compensation: momentum mu*, rate 1). Called by one worker at a time, no lock held. */
typedef void (*hw_policy_callback)(void *context, const hw_policy_input *input, hw_setting *setting);

typedef struct hw_compensation {
    hw_policy policy;
    int keep_gain;    /* alpha_L = alpha* (1 - mu_L) / (1 - mu*); default 1            */
    double fixed;     /* FIXED's mu_L, (-1, 1)                                         */
    double floor;     /* smallest explicit momentum, (-1, 0]; default -0.5             */
    double shrinkage; /* POLE_ZERO's rho in [0, 1]; default 1                              */
    double margin;    /* AUTO: the rate begins where the advisor calls the step stable, rises while the loss is
                         calm until alpha h is margin * bound at the present curvature, and is halved where
                         the loss rises by more than its noise; never above the schedule's. Default 0: 0.7,
                         or 2 where the objective is a network (measured: docs/benchmarks.md). Above 1 only
                         where the staleness has a dispersion of at most 0.3: wide ones are bounded by
                         single runs, without it */
    uint64_t window;  /* measured updates between recomputations; default 200                   */
    hw_policy_callback user;
    void *context;
    hw_age age;
    double age_gain; /* gamma, default 1 */
    double age_base; /* n, default 2 */
} hw_compensation;

/* The factor on the learning rate of a gradient of age tau; 1 for TAIL and KERNEL, which go by what is measured. A pure
 * function. */
HW_API double hw_age_factor(const hw_compensation *compensation, uint64_t tau, unsigned workers);
/* since 0.2: the same for all ages below n - 1, and in factor[n - 1] for all from there on. n from 2; the measured ones
 * go by staleness->linear_bins single ages at most, and the last of those stands for all above. staleness may be NULL
 * or empty: nothing has been measured yet. A pure function. */
HW_API void hw_age_factors(const hw_compensation *compensation, const hw_histogram *staleness, unsigned workers,
                           double *factor, size_t n);

HW_API const char *hw_policy_name(hw_policy policy);

/* The setting that a policy asks for. A pure function; thread-safe. */
HW_API void hw_compensate(const hw_compensation *compensation, const hw_policy_input *input, hw_setting *setting);

/* --- stability advisor ---------------------------------------------------------------------------------------------
 */

/* Largest stable alpha * h on a quadratic of curvature h, for explicit momentum mu, look-ahead factor s, and staleness
 * kernel q[0 .. lags-1] (sums to 1): all roots of (z - 1)(z - mu) z^L + alpha h sum_l q_l z^(L-l) (z (1 + s) - s)
 * inside the unit circle, L = lags - 1 (the expected recursion of Theorem 2). kernel NULL: every
 * delay is lags - 1. lags <= 4096. Pure functions; beyond 256
 * lags they take memory for the call (0: not stable, where there is none). */
HW_API double hw_advise_bound(double momentum, double ahead, const double *kernel, size_t lags);
HW_API int hw_advise_stable(double step, double momentum, double ahead, const double *kernel, size_t lags);
/* The same for a fixed delay. */
HW_API double hw_advise_bound_delay(double momentum, double ahead, unsigned delay);
/* s = mu (1 - mu^delay) / (1 - mu) */
HW_API double hw_look_ahead(double momentum, double delay);
/* Largest number of workers (at most HW_MAX_WORKERS) whose fixed delay M - 1 leaves alpha h stable; 0: none does. */
HW_API unsigned hw_advise_workers(double step, double momentum, int look_ahead);
/* The reverse: the largest momentum at which M workers leave alpha h stable; NaN: not even 0 does. */
HW_API double hw_advise_momentum(double step, unsigned workers, int look_ahead);

/* Any setting against any kernel q[0 .. lags-1] (staleness shares, times an age factor where there is one): the factor
 * by which the expected recursion of that very setting grows a step, on a quadratic of step = alpha* h. Below 1:
 * stable. lags <= 4096; costs about 50 lags^2 + 2000 lags operations. NaN: no memory. */
HW_API double hw_advise_growth(const hw_setting *setting, double step, const double *kernel, size_t lags);
typedef struct hw_advice {
    hw_setting setting; /* what the policy would use: explicit momentum, rate, look-ahead        */
    double bound;       /* largest stable alpha* h, of single runs: of one long path whose delays are drawn from the
                           histogram. For a fixed delay that is the linear bound; for wide staleness the expected
                           recursion (hw_advise_growth) is stable far beyond it, where every run diverges */
    double growth; /* of that path a step, at input->learning_rate and curvature, over the margin where that is above
                      1; NaN where that is unknown */
    int stable;
} hw_advice;
/* What a policy would do with that input: workers, momentum, learning rate, curvature, and the measured histogram
 * (NULL: a fixed delay of M - 1; with a shape of dispersion 0.3 at most, a fixed mixture). A margin above 1 says how
 * far above the linear bound this kind of objective is known to train (hw_config_compensation): bounds are times that.
 * No memory: bound and growth are NaN. The policy must not be USER unless its callback may be called. */
HW_API void hw_advise_policy(const hw_compensation *compensation, const hw_policy_input *input, hw_advice *advice);
/* A table of all bundled policies, and of scheduler sync beside them, into `out` only. */
HW_API hw_status hw_advise_print(const hw_compensation *compensation, const hw_policy_input *input, FILE *out);
/* since 0.2: the same where a net's steps go layer by layer by default, which is under AUTO only: its row is of
 * `layers` (what hw_engine_policy_input gives), all others of `input` (the same without staleness and shape). layers
 * NULL: they are the same. */
HW_API hw_status hw_advise_print_layers(const hw_compensation *compensation, const hw_policy_input *input,
                                        const hw_policy_input *layers, FILE *out);

/* Liu et al.'s bound on the delay of streaming PCA, up to a constant: tau <~ (1 - mu)^2 / ((lambda_1 + C_d)
 * eta^(1/2 - gamma)) near saddle points and optima, and (1 - mu)^2 / (lambda_1 eta^(1 - gamma)) between them; gamma in
 * (0, 1/2]. An order of magnitude; the linear bound above is sharp. */
typedef struct hw_liu {
    double lambda1, c_d, eta, gamma;
} hw_liu;
HW_API double hw_advise_liu_delay(const hw_liu *bound, double momentum, int between);
HW_API double hw_advise_liu_momentum(const hw_liu *bound, double delay, int between); /* NaN: none */

/* since 0.2: the same for any input. Where it has staleness and a shape whose dispersion is at most 0.3, the delays are
 * taken as a fixed mixture (of layers: hw_engine_policy_input); else as a fixed delay of workers - 1. */
HW_API int hw_advise_input(const hw_compensation *compensation, const hw_policy_input *input, char *text, size_t size);
/* A sentence about a planned run before it starts: whether `policy` at learning rate alpha and curvature h is within
 * the linear bound (times the margin, where that is above 1) for a fixed delay of workers - 1. Returns 1 where it is, 0
 * where it is not. */
HW_API int hw_advise_run(const hw_compensation *compensation, double momentum, double learning_rate, unsigned workers,
                         double curvature, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
