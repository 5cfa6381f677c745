/* test_tables.c - ratings and text: every form of a good file, named bad ones with the sentence each must get, random
 * damage, and the generators against the truth they were drawn from. */
#include "check.h"
#include "../lib/data/tables/lowrank.h"
#include <unistd.h>
#include <zlib.h>

static char folder[] = "hogwild-tables-XXXXXX";
static char path[100];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int drop_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void put_bytes(const void *bytes, size_t n)
{
    (void)remove(path); /* a file that is cut to nothing and written again is flushed to the disk by ext4 */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put(const char *text)
{
    put_bytes(text, strlen(text));
}

static void put_gzip(const void *bytes, size_t n)
{
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, bytes, (unsigned)n), (int)n);
    assert_int_equal(gzclose(f), Z_OK);
}

static long file_size(void)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    fclose(f);
    return n;
}

/* The path of a data set of HOGWILD_DATA, or a visible skip. */
static void need_data(const char *name, char *to, size_t size)
{
    const char *data = getenv("HOGWILD_DATA");
    snprintf(to, size, "%s/%s", data ? data : "", name);
    if (!data || access(to, R_OK) != 0) {
        print_message("skipped: HOGWILD_DATA has no %s\n", name);
        skip();
    }
}

/* --- ratings -------------------------------------------------------------------------------------------------------
 */

/* What a caller may rely on after HW_OK. */
static void check_ratings(const hw_ratings *r)
{
    double sum = 0;
    float low = INFINITY, high = -INFINITY;
    assert_true(r->count > 0 && r->users > 0 && r->items > 0);
    for (uint32_t i = 0; i < r->count; i++) {
        const hw_rating *a = r->rating + i;
        assert_true(a->user < r->users && a->item < r->items && isfinite(a->value));
        sum += a->value;
        low = fminf(low, a->value);
        high = fmaxf(high, a->value);
    }
    assert_near(r->mean, sum / r->count, 1e-9 * (1 + fabs(sum)));
    assert_true(r->low == low && r->high == high);
}

static void check_distinct(const hw_ratings *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        for (uint32_t j = 0; j < i; j++)
            assert_false(r->rating[i].user == r->rating[j].user && r->rating[i].item == r->rating[j].item);
    for (uint32_t i = 0; i < r->users; i++)
        for (uint32_t j = 0; j < i; j++) assert_true(r->user_id[i] != r->user_id[j]);
    for (uint32_t i = 0; i < r->items; i++)
        for (uint32_t j = 0; j < i; j++) assert_true(r->item_id[i] != r->item_id[j]);
}

/* The same three ratings in every form. */
static const struct {
    const char *name, *text;
} good_ratings[] = {
    {"u.data", "7\t20\t4\t881250949\n9\t20\t1.5\t881250950\n7\t30\t-2\t5\n"},
    {"u.data without times", "7\t20\t4\n9\t20\t1.5\n7\t30\t-2\n"},
    {"u.data with CRLF", "7\t20\t4\t881250949\r\n9\t20\t1.5\t881250950\r\n7\t30\t-2\t5\r\n"},
    {"ratings.dat", "7::20::4::978300760\n9::20::1.5::978302109\n7::30::-2::978301968\n"},
    {"ratings.dat without a last line end", "7::20::4::978300760\n9::20::1.5::978302109\n7::30::-2::978301968"},
    {"ratings.dat with CRLF and without a last line end", "7::20::4\r\n9::20::1.5\r\n7::30::-2"},
    {"MovieLens CSV", "userId,movieId,rating,timestamp\n7,20,4.0,964982703\n9,20,1.5,1\n7,30,-2.0,2\n"},
    {"CSV with CRLF", "userId,movieId,rating,timestamp\r\n7,20,4.0,964982703\r\n9,20,1.5,1\r\n7,30,-2.0,2\r\n"},
    {"CSV with a byte order mark", "\xef\xbb\xbfuserId,movieId,rating\n7,20,4\n9,20,1.5\n7,30,-2\n"},
    {"other order", "rating,item_id,user_id\n4,20,7\n1.5,20,9\n-2,30,7\n"},
    {"semicolons", "user;item;score\n7;20;4\n9;20;1.5\n7;30;-2\n"},
    {"tabs with a header", "UID\tIID\tVALUE\n7\t20\t4\n9\t20\t1.5\n7\t30\t-2\n"},
    {"extra columns with commas in quotes", "title,User,Movie,note,Stars\n\"a, b\",7,20,\"x\"\"y\",4\n,9,20,,1.5\n"
                                            "\"\",7,30,\"\",-2\n"},
    {"everything quoted", "\"user-id\",\"product id\",\"rating\"\n\"7\",\"20\",\"4\"\n\"9\",\"20\",\"1.5\"\n"
                          "\"7\",\"30\",\"-2\"\n"},
    {"a line end in quotes", "reviewerID,item,text,score\n7,20,\"two\nlines\r\n\",4\n9,20,,1.5\n7,30,\"\n\",-2\n"},
    {"spaces around fields", "user , item ,\"rating\" \n 7 , 20 , 4\n9,20 ,\"1.5\" \n7,  30,-2  \n"},
    {"exponents, signs, leading zeros", "user,item,rating\n007,20,+40e-1\n9,020,.15E1\n7,30,-2.\n"},
    {"empty lines", "user,item,rating\n\n7,20,4\n\r\n9,20,1.5\n\n\n7,30,-2\n\n"},
    {"capitals", "USERID,MOVIE_ID,RATING\n7,20,4\n9,20,1.5\n7,30,-2\n"},
    {"an empty column name", "\"\",\"user\",\"item\",\"rating\"\n\"1\",7,20,4\n\"2\",9,20,1.5\n\"3\",7,30,-2\n"},
    {"Amazon's names", "customer_id;product_id;star_rating\n7;20;4\n9;20;1.5\n7;30;-2\n"},
};

static void ratings_are_read_in_every_form(void **state)
{
    (void)state;
    static const hw_rating expected[3] = {{0, 0, 4}, {1, 0, 1.5f}, {0, 1, -2}};
    char why[HW_WHY];
    for (size_t i = 0; i < sizeof good_ratings / sizeof *good_ratings; i++)
        for (int gzip = 0; gzip < 2; gzip++) {
            hw_ratings r;
            if (gzip)
                put_gzip(good_ratings[i].text, strlen(good_ratings[i].text));
            else
                put(good_ratings[i].text);
            why[0] = 0;
            if (hw_ratings_read(path, 0, &r, why) != HW_OK) fail_msg("%s: %s", good_ratings[i].name, why);
            check_ratings(&r);
            assert_int_equal(r.count, 3);
            assert_int_equal(r.users, 2);
            assert_int_equal(r.items, 2);
            for (int k = 0; k < 3; k++) {
                assert_int_equal(r.rating[k].user, expected[k].user);
                assert_int_equal(r.rating[k].item, expected[k].item);
                assert_true(r.rating[k].value == expected[k].value);
            }
            assert_true(r.user_id[0] == 7 && r.user_id[1] == 9 && r.item_id[0] == 20 && r.item_id[1] == 30);
            assert_near(r.mean, 3.5 / 3, 1e-12);
            assert_true(r.low == -2 && r.high == 4);
            hw_ratings_free(&r);
            hw_ratings_free(&r);
        }
    hw_ratings r;
    put("user,item,rating\n18446744073709551615,0,1\n0,18446744073709551615,2\n");
    assert_int_equal(hw_ratings_read(path, 0, &r, NULL), HW_OK);
    assert_true(r.user_id[0] == UINT64_MAX && r.item_id[1] == UINT64_MAX && r.users == 2);
    hw_ratings_free(&r);
}

/* Enough ids that the tables grow several times; ids that a plain table would put into one chain. */
static void many_ids_are_numbered(void **state)
{
    (void)state;
    enum { N = 30000 };
    char why[HW_WHY];
    hw_ratings r;
    for (int hostile = 0; hostile < 2; hostile++) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs("item,user,rating\n", f);
        for (uint64_t i = 0; i < N; i++) {
            uint64_t user = hostile ? i << 40 : i / 3 * 17, item = hostile ? i << 48 | i >> 16 : i % 7001;
            fprintf(f, "%llu,%llu,%llu\n", (unsigned long long)item, (unsigned long long)user,
                    (unsigned long long)(i % 11));
        }
        assert_int_equal(fclose(f), 0);
        if (hw_ratings_read(path, 0, &r, why) != HW_OK) fail_msg("%s", why);
        check_ratings(&r);
        assert_int_equal(r.count, N);
        assert_int_equal(r.users, hostile ? N : N / 3);
        assert_int_equal(r.items, hostile ? N : 7001);
        for (uint32_t i = 0; i < N; i++) {
            assert_int_equal(r.rating[i].user, hostile ? i : i / 3);
            assert_int_equal(r.rating[i].item, hostile ? i : i % 7001);
            assert_true(r.rating[i].value == (float)(i % 11));
        }
        hw_ratings_free(&r);
    }
}

#define BIG "18446744073709551616"
#define BAD(name, text, part)              \
    {                                      \
        name, text, sizeof(text) - 1, part \
    }
static const struct bad {
    const char *name, *text;
    size_t bytes;
    const char *part; /* of the sentence, whose status is HW_E_FORMAT */
} bad_ratings[] = {
    BAD("empty", "", "line 1: the file is empty"),
    BAD("a byte order mark only", "\xef\xbb\xbf", "line 1: the file is empty"),
    BAD("one line end", "\n", "line 1: no column is named user"),
    BAD("empty first line", "\nuser,item,rating\n1,1,1\n", "line 1: no column is named user"),
    BAD("one letter", "x", "line 1: no column is named user"),
    BAD("no header", "1,2,3\n1,3,4\n", "line 1: no column is named user"),
    BAD("no item", "user,thing,rating\n1,2,3\n", "line 1: no column is named item"),
    BAD("no rating", "user,item,time\n1,2,3\n", "line 1: no column is named rating"),
    BAD("no user", "item,rating,time\n1,2,3\n", "line 1: no column is named user"),
    BAD("names run on", "useritemrating\n1,2,3\n", "line 1: no column is named user"),
    BAD("a longer name", "users,item,rating\n1,2,3\n", "line 1: no column is named user"),
    BAD("a shorter name", "use,item,rating\n1,2,3\n", "line 1: no column is named user"),
    BAD("spaces as separators", "user item rating\n1 2 3\n", "line 1: no column is named user"),
    BAD("bars as separators", "user|item|rating\n1|2|3\n", "line 1: no column is named user"),
    BAD("mixed separators", "user;item,rating\n1;2,3\n", "line 1: no column is named"),
    BAD("user twice", "user,item,rating,userId\n1,2,3,4\n", "line 1: two columns"),
    BAD("item and movie", "user,item,movie,rating\n1,2,3,4\n", "line 1: two columns"),
    BAD("rating and score", "user;item;rating;score\n1;2;3;4\n", "line 1: two columns"),
    BAD("header only", "user,item,rating\n", "line 2: there are no ratings"),
    BAD("header without a line end", "user,item,rating", "line 1: there are no ratings"),
    BAD("header and empty lines", "user,item,rating\n\n\r\n\n", "line 5: there are no ratings"),
    BAD("an open quote in the header", "\"user,item,rating\n1,2,3\n", "line 1: a quote is not closed"),
    BAD("text behind a quote in the header", "\"user\"x,item,rating\n1,2,3\n", "line 1: "),
    BAD("a zero byte", "user,item,rating\n1,2,3\n1,\0,3\n", "line 3: a zero byte"),
    BAD("a zero byte in the header", "user,item\0,rating\n1,2,3\n", "line 1: a zero byte"),
    BAD("UTF-16", "\xff\xfeu\0s\0e\0r\0", "line 1: a zero byte"),
    BAD("too few fields", "user,item,rating\n1,2,3\n1,3\n", "line 3: it has 2 fields: 3 are expected"),
    BAD("one field", "user,item,rating\n7\n", "line 2: it has 1 field: 3 are expected"),
    BAD("too many fields", "user,item,rating\n1,2,3,4\n", "line 2: it has 4 fields: 3 are expected"),
    BAD("a separator at the end", "user,item,rating\n1,2,3,\n", "line 2: it has 4 fields"),
    BAD("another separator", "user,item,rating\n1;2;3\n", "line 2: it has 1 field"),
    BAD("a last line cut short", "user,item,rating,time\n1,2,3,4\n5,6,7", "line 3: it has 3 fields"),
    BAD("a line of spaces and a letter", "user,item,rating\n1,2,3\n  x\n", "line 3: it has 1 field"),
    BAD("no user id", "user,item,rating\n,2,3\n", "line 2: the user is ''"),
    BAD("no item id", "user,item,rating\n1,,3\n", "line 2: the item is ''"),
    BAD("no value", "user,item,rating\n1,2,\n", "line 2: the rating is ''"),
    BAD("a name as user", "user,item,rating\nanna,2,3\n", "line 2: the user is 'anna': a whole number"),
    BAD("a code as item", "user,item,rating\n1,B00X,3\n", "line 2: the item is 'B00X': a whole number"),
    BAD("a negative user", "user,item,rating\n-1,2,3\n", "line 2: the user is '-1'"),
    BAD("a signed item", "user,item,rating\n1,+2,3\n", "line 2: the item is '+2'"),
    BAD("a fraction as item", "user,item,rating\n1,2.0,3\n", "line 2: the item is '2.0'"),
    BAD("a user of 2^64", "user,item,rating\n" BIG ",2,3\n", "line 2: the user is '" BIG "': a whole"),
    BAD("a long user", "user,item,rating\n1" BIG BIG ",2,3\n", "line 2: the user is '118446744"),
    BAD("a hexadecimal item", "user,item,rating\n1,0x10,3\n", "line 2: the item is '0x10'"),
    BAD("two numbers in a field", "user,item,rating\n1 1,2,3\n", "line 2: the user is '1 1'"),
    BAD("a word as value", "user,item,rating\n1,2,good\n", "line 2: the rating is 'good': a finite number"),
    BAD("nan", "user,item,rating\n1,2,nan\n", "line 2: the rating is 'nan'"),
    BAD("inf", "user,item,rating\n1,2,3\n1,3,-inf\n", "line 3: the rating is '-inf'"),
    BAD("1e39", "user,item,rating\n1,2,1e39\n", "line 2: the rating is '1e39'"),
    BAD("a huge exponent", "user,item,rating\n1,2,1e99999999999999999999\n", "line 2: the rating is '1e999"),
    BAD("an exponent without digits", "user,item,rating\n1,2,3e\n", "line 2: the rating is '3e'"),
    BAD("two points", "user,item,rating\n1,2,3.5.1\n", "line 2: the rating is '3.5.1'"),
    BAD("a comma as decimal point", "user;item;rating\n1;2;3,5\n", "line 2: the rating is '3,5'"),
    BAD("a point only", "user,item,rating\n1,2,.\n", "line 2: the rating is '.'"),
    BAD("a sign only", "user,item,rating\n1,2,-\n", "line 2: the rating is '-'"),
    BAD("five stars", "user,item,rating\n1,2,*****\n", "line 2: the rating is '*****'"),
    BAD("control characters are not repeated", "user,item,rating\n1,2,\033[2J\n", "the rating is '?[2J'"),
    BAD("a carriage return inside", "user,item,rating\n1,\r2,3\n", "line 2: the item is '?2'"),
    BAD("old Mac line ends", "user,item,rating\r1,2,3\r1,3,3\r", "line 1: no column is named rating"),
    BAD("an open quote", "user,item,rating\n1,2,3\n\"1,3,3\n1,4,3\n", "line 3: a quote is not closed"),
    BAD("a quote at the end", "user,item,rating\n1,2,\"", "line 2: a quote is not closed"),
    BAD("an open quote of pairs", "user,item,rating\n1,2,\"\"\"\"\"", "line 2: a quote is not closed"),
    BAD("text behind a quote", "user,item,rating\n1,\"2\"2,3\n", "line 2: a separator or the line's end"),
    BAD("a quote inside a number", "user,item,rating\n1,2\"2\",3\n", "line 2: the item is '2\"2\"'"),
    BAD("a doubled quote in a number", "user,item,rating\n1,\"2\"\"\",3\n", "line 2: the item is '2\"\"'"),
    BAD("lines after quoted line ends", "user,item,rating,x\n1,2,3,\"\n\n\"\n1,3,no,\n", "line 5: the rating is 'no'"),
    BAD("a pair twice", "user,item,rating\n1,2,3\n1,3,4\n\n1,2,5\n",
        "line 5: user 1 and item 2 again: they have a rating in line 2"),
    BAD("a pair twice, far apart", "user,item,x,rating\n\n1,2,\"\n\",3\n01,03,,4\n1,2,,3\n",
        "line 6: user 1 and item 2 again: they have a rating in line 3"),
    BAD("a pair twice in u.data", "5\t6\t3\t0\n5\t7\t3\t0\n5\t7\t3\t1\n",
        "line 3: user 5 and item 7 again: they have a rating in line 2"),
    BAD("a name in u.data", "1\t2\t3\t4\n1\ttwo\t3\t4\n", "line 2: the item is 'two'"),
    BAD("two fields in u.data", "1\t2\n", "line 1: it has 2 fields: 3 are expected"),
    BAD("a longer line in u.data", "1\t2\t3\n1\t3\t3\t4\n", "line 2: it has 4 fields: 3 are expected"),
    BAD("quotes in u.data", "1\t\"2\"\t3\n", "line 1: the item is '\"2\"'"),
    BAD("a name in ratings.dat", "anna::2::3::4\n", "line 1: the user is 'anna'"),
    BAD("single colons", "1::2::3::4\n1:3:3:4\n", "line 2: it has 1 field: 4 are expected"),
    BAD("three colons", "1::2::3::4\n1:::3::3::4\n", "line 2: the item is ':3'"),
    BAD("ratings.dat cut short", "1::2::3::4\n1::3::", "line 2: it has 3 fields"),
    BAD("gzip cut after its magic", "\x1f\x8b", ""),
    BAD("gzip of another method", "\x1f\x8b\x07\x01\x01\x01\x01\x01\x01\x01", ""),
};

static void bad_ratings_get_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_ratings / sizeof *bad_ratings; i++) {
        const struct bad *b = bad_ratings + i;
        char why[HW_WHY] = "";
        hw_ratings r;
        put_bytes(b->text, b->bytes);
        memset(&r, 0x55, sizeof r);
        hw_status status = hw_ratings_read(path, 0, &r, why);
        if (status != HW_E_FORMAT || !strstr(why, b->part) || strncmp(why, path, strlen(path)) != 0)
            fail_msg("%s: status %d, '%s', expected '%s'", b->name, status, why, b->part);
        assert_true(!r.rating && !r.user_id && !r.item_id && !r.count && !r.users);
        assert_int_equal(hw_ratings_read(path, 0, &r, NULL), HW_E_FORMAT);
    }
}

static void bad_arguments_get_a_sentence(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_ratings r, a, b;
    hw_corpus c;
    assert_int_equal(hw_ratings_read(NULL, 0, &r, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_read(path, 0, NULL, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_read("nowhere.csv", 0, &r, why), HW_E_IO);
    assert_text(why, "nowhere.csv");
    assert_int_equal(hw_ratings_read(folder, 0, &r, why), HW_E_IO);
    assert_int_equal(hw_corpus_read(NULL, 1, 0, &c, why), HW_E_ARGUMENT);
    assert_int_equal(hw_corpus_read(path, 1, 0, NULL, why), HW_E_ARGUMENT);
    assert_int_equal(hw_corpus_read("nowhere.txt", 1, 0, &c, why), HW_E_IO);
    assert_text(why, "nowhere.txt");
    assert_int_equal(hw_corpus_read(folder, 1, 0, &c, why), HW_E_IO);

    hw_ratings_plan p = hw_ratings_plan_defaults(10, 3, 3);
    assert_int_equal(hw_ratings_generate(NULL, &r, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_generate(&p, NULL, why), HW_E_ARGUMENT);
    const struct {
        hw_ratings_plan plan;
        const char *part;
    } plans[] = {
        {{0, 1, 1, 1, 1, 0, 0, 0}, "another version"},          {{sizeof p, 0, 1, 1, 1, 0, 0, 0}, "at least 1"},
        {{sizeof p, 1, 0, 1, 1, 0, 0, 0}, "at least 1"},        {{sizeof p, 1, 1, 0, 1, 0, 0, 0}, "at least 1"},
        {{sizeof p, 1, 1, 1, 1025, 0, 0, 0}, "plan.rank"},      {{sizeof p, 1, 1, 1, 1, -0.1, 0, 0}, "plan.exponent"},
        {{sizeof p, 1, 1, 1, 1, NAN, 0, 0}, "plan.exponent"},   {{sizeof p, 1, 1, 1, 1, 4.1, 0, 0}, "plan.exponent"},
        {{sizeof p, 1, 1, 1, 1, 0, -1, 0}, "plan.noise"},       {{sizeof p, 1, 1, 1, 1, 0, NAN, 0}, "plan.noise"},
        {{sizeof p, 1, 1, 1, 1, 0, INFINITY, 0}, "plan.noise"},
    };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        assert_int_equal(hw_ratings_generate(&plans[i].plan, &r, why), HW_E_ARGUMENT);
        assert_text(why, plans[i].part);
        assert_null(r.rating);
    }
    assert_int_equal(hw_ratings_generate(&p, &r, why), HW_OK);
    assert_int_equal(hw_ratings_split(&r, -0.1, 1, &a, &b, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_split(&r, 1.1, 1, &a, &b, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_split(&r, NAN, 1, &a, &b, why), HW_E_ARGUMENT);
    assert_text(why, "share");
    assert_int_equal(hw_ratings_split(&r, 0.5, 1, &r, &b, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_split(&r, 0.5, 1, &a, &a, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_split(NULL, 0.5, 1, &a, &b, why), HW_E_ARGUMENT);
    assert_int_equal(r.count, 10);
    hw_ratings_free(&r);
    assert_int_equal(hw_ratings_split(&r, 0.5, 1, &a, &b, why), HW_E_ARGUMENT);

    assert_int_equal(hw_corpus_generate(10, 3, 5, 5, 1, &c, why), HW_E_ARGUMENT);
    assert_text(why, "multiple");
    assert_int_equal(hw_corpus_generate(0, 3, 5, 5, 1, &c, why), HW_E_ARGUMENT);
    assert_int_equal(hw_corpus_generate(9, 0, 5, 5, 1, &c, why), HW_E_ARGUMENT);
    assert_int_equal(hw_corpus_generate(9, 3, 0, 5, 1, &c, why), HW_E_ARGUMENT);
    assert_int_equal(hw_corpus_generate(9, 3, 5, 0, 1, &c, why), HW_E_ARGUMENT);
    assert_int_equal(hw_corpus_generate(9, 3, 5, 5, 1, NULL, why), HW_E_ARGUMENT);
    assert_int_equal(hw_corpus_generate(9, 3, UINT32_MAX, 1, 1, &c, why), HW_E_LIMIT);
    assert_int_equal(hw_corpus_generate(9, 3, UINT32_MAX, UINT32_MAX, 1, &c, why), HW_E_LIMIT);
    assert_int_equal(hw_corpus_generate(UINT32_MAX, 3, 1, 1, 1, &c, why), HW_E_LIMIT);
}

static void a_split_is_disjoint_complete_and_deterministic(void **state)
{
    (void)state;
    enum { USERS = 40, ITEMS = 30 };
    char why[HW_WHY];
    const double shares[] = {0, 0.1, 0.25, 0.5, 1};
    uint32_t first[10] = {0};
    for (size_t s = 0; s < 10; s++) {
        hw_ratings all, train, test;
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs("user,item,rating\n", f);
        for (int i = 0; i < USERS * ITEMS; i++) fprintf(f, "%d,%d,%d\n", 100 + i / ITEMS, 500 + i % ITEMS, i);
        fclose(f);
        assert_int_equal(hw_ratings_read(path, 0, &all, why), HW_OK);
        assert_int_equal(hw_ratings_split(&all, shares[s / 2], 5, &train, &test, why), HW_OK);
        assert_true(!all.rating && !all.count && !all.user_id);
        assert_int_equal(test.count, (int)(shares[s / 2] * USERS * ITEMS + 0.5));
        assert_int_equal(train.count + test.count, USERS * ITEMS);
        bool seen[USERS * ITEMS] = {false};
        unsigned moved = 0;
        for (uint32_t i = 0; i < train.count + test.count; i++) {
            const hw_rating *r = i < train.count ? train.rating + i : test.rating + i - train.count;
            uint32_t number = (uint32_t)r->value;
            assert_true(r->user == number / ITEMS && r->item == number % ITEMS && !seen[number]);
            seen[number] = true;
            moved += number != i;
        }
        assert_true(moved > USERS * ITEMS * 9 / 10);
        const hw_ratings *both[] = {&train, &test};
        for (int k = 0; k < 2; k++) {
            assert_int_equal(both[k]->users, USERS);
            assert_int_equal(both[k]->items, ITEMS);
            for (unsigned u = 0; u < USERS; u++) assert_int_equal(both[k]->user_id[u], 100 + u);
            for (unsigned i = 0; i < ITEMS; i++) assert_int_equal(both[k]->item_id[i], 500 + i);
            if (both[k]->count) check_ratings(both[k]);
        }
        /* The same seed shuffles alike, whatever the share. */
        first[s] = (uint32_t)(train.count ? train.rating[0].value : test.rating[0].value);
        assert_int_equal(first[s], first[0]);
        hw_ratings_free(&train);
        hw_ratings_free(&test);
    }
    hw_ratings_plan p = hw_ratings_plan_defaults(1000, 50, 60);
    hw_ratings all[2], train[2], test[2];
    for (uint64_t k = 0; k < 2; k++) {
        assert_int_equal(hw_ratings_generate(&p, &all[k], why), HW_OK);
        assert_int_equal(hw_ratings_split(&all[k], 0.2, k, &train[k], &test[k], why), HW_OK);
        assert_null(test[k].user_id); /* generated ones have no other names */
    }
    assert_memory_not_equal(test[0].rating, test[1].rating, 200 * sizeof(hw_rating));
    for (int k = 0; k < 2; k++) {
        hw_ratings_free(&train[k]);
        hw_ratings_free(&test[k]);
    }
}

/* Ratings of another file come under the numbers of the training ones, whatever order they stand in; who is not there
 * is left out, and told. */
static void other_ratings_are_renumbered(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    hw_ratings train, test;
    uint32_t left_out = 99;
    put("user,item,rating\n7,30,1\n  \n5,10,2\n\n7,20,3\n18446744073709551615,10,4\n");
    assert_int_equal(hw_ratings_read(path, 0, &train, why), HW_OK);
    assert_int_equal(train.count, 4);
    put("item,user,rating\n20,5,5\n99,7,9\n10,7,2\n30,1,9\n30,18446744073709551615,8\n");
    assert_int_equal(hw_ratings_read(path, 0, &test, why), HW_OK);
    assert_int_equal(hw_ratings_renumber(&test, &train, &left_out, why), HW_OK);
    assert_int_equal(left_out, 2);
    assert_int_equal(test.count, 3);
    static const hw_rating right[] = {{1, 2, 5}, {0, 1, 2}, {2, 0, 8}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(test.rating[i].user, right[i].user);
        assert_int_equal(test.rating[i].item, right[i].item);
        assert_near(test.rating[i].value, right[i].value, 0);
    }
    assert_true(test.users == train.users && test.items == train.items);
    assert_memory_equal(test.user_id, train.user_id, train.users * sizeof *test.user_id);
    assert_near(test.mean, 5, 1e-9);
    assert_true((double)test.low > 1.9 && (double)test.high < 8.1);
    hw_ratings_free(&test);
    put("item,user,rating\n99,7,9\n30,1,9\n");
    assert_int_equal(hw_ratings_read(path, 0, &test, why), HW_OK);
    assert_int_equal(hw_ratings_renumber(&test, &train, &left_out, why), HW_E_FORMAT);
    assert_text(why, "none of the 2 ratings");
    assert_int_equal(test.count, 2); /* as before */
    hw_ratings_free(&test);
    hw_ratings none = {0};
    assert_int_equal(hw_ratings_renumber(&none, &train, NULL, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_renumber(NULL, &train, NULL, why), HW_E_ARGUMENT);
    hw_ratings_free(&train);
}

static void generated_ratings_have_the_truth_of_their_plan(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_ratings a, b;
    lowrank truth;
    const double noises[] = {0, 0.2, 0.7}, exponents[] = {0, 0.8, 1.2};
    for (int k = 0; k < 3; k++) {
        hw_ratings_plan p = hw_ratings_plan_defaults(60000, 700, 300);
        p.noise = noises[k];
        p.exponent = exponents[k];
        p.rank = k == 0 ? 0 : 5;
        p.seed = 11 + (uint64_t)k;
        assert_int_equal(hw_ratings_generate(&p, &a, why), HW_OK);
        check_ratings(&a);
        assert_true(a.count == 60000 && a.users == 700 && a.items == 300 && !a.user_id && !a.item_id);
        p.count = 100; /* a longer plan continues a shorter one */
        assert_int_equal(hw_ratings_generate(&p, &b, why), HW_OK);
        assert_memory_equal(a.rating, b.rating, 100 * sizeof(hw_rating));
        hw_ratings_free(&b);
        p.seed++;
        assert_int_equal(hw_ratings_generate(&p, &b, why), HW_OK);
        assert_memory_not_equal(a.rating, b.rating, 100 * sizeof(hw_rating));
        hw_ratings_free(&b);
        p.seed--;
        assert_int_equal(hw__lowrank_draw(&p, &truth, why), HW_OK);
        double squares = 0, spread = 0, score = 0;
        for (uint32_t i = 0; i < a.count; i++) {
            double s = (double)hw__lowrank_score(&truth, a.rating[i].user, a.rating[i].item);
            squares += pow((double)a.rating[i].value - s, 2);
            spread += pow((double)a.rating[i].value - a.mean, 2);
            score += s;
        }
        assert_near(sqrt(squares / a.count), p.noise, 0.01 * p.noise + 1e-6); /* three standard errors are 0.9 % */
        assert_near(score / a.count, a.mean, 0.01);
        assert_true(sqrt(spread / a.count) > p.noise + 0.1); /* there is something to learn */
        hw__lowrank_free(&truth);
        hw_ratings_free(&a);
    }
}

static int descending(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

/* Who is frequent follows the power law, and the frequent ones are scattered over the numbers. */
static void generated_users_and_items_follow_the_power_law(void **state)
{
    (void)state;
    enum { USERS = 1000, COUNT = 1000000 };
    const double exponents[] = {0, 0.8, 1.5};
    for (int k = 0; k < 3; k++) {
        hw_ratings_plan p = hw_ratings_plan_defaults(COUNT, USERS, USERS);
        p.rank = 1;
        p.exponent = exponents[k];
        hw_ratings r;
        assert_int_equal(hw_ratings_generate(&p, &r, NULL), HW_OK);
        uint32_t count[2][USERS] = {{0}};
        for (uint32_t i = 0; i < COUNT; i++) {
            count[0][r.rating[i].user]++;
            count[1][r.rating[i].item]++;
        }
        double sum = 0;
        for (int i = 0; i < USERS; i++) sum += pow(i + 1, -p.exponent);
        for (int side = 0; side < 2; side++) {
            double low = 0;
            for (int i = 0; i < USERS / 2; i++) low += count[side][i];
            assert_true(p.exponent > 1 || (low > 0.3 * COUNT && low < 0.7 * COUNT));
            double chi = 0;
            for (uint32_t rank = 0; rank < USERS; rank++) {
                double expected = COUNT * pow(rank + 1, -p.exponent) / sum;
                chi += pow(count[side][hw_permute(p.seed, side == 0 ? 1 : 2, USERS, rank)] - expected, 2) / expected;
            }
            assert_near(chi, USERS - 1, 5 * sqrt(2.0 * (USERS - 1)));
            qsort(count[side], USERS, sizeof(uint32_t), descending);
            if (k) assert_near(count[side][0], COUNT / sum, 0.03 * COUNT / sum);
        }
        hw_ratings_free(&r);
    }
}

/* --- text ----------------------------------------------------------------------------------------------------------
 */

static const char *word_of(const hw_corpus *c, uint32_t i)
{
    return c->text + c->at[i];
}

/* What a caller may rely on after HW_OK. */
static void check_corpus(const hw_corpus *c, uint64_t least)
{
    uint64_t running = 0, sum = 0;
    uint64_t *count = calloc(c->words, sizeof *count);
    assert_non_null(count);
    assert_true(c->words > 0 && c->tokens > 1);
    assert_true(c->token[c->tokens - 1] == HW_SENTENCE_END && c->token[0] != HW_SENTENCE_END);
    for (uint32_t i = 0; i < c->tokens; i++) {
        if (c->token[i] == HW_SENTENCE_END) {
            assert_true(i > 0 && c->token[i - 1] != HW_SENTENCE_END);
            continue;
        }
        assert_true(c->token[i] < c->words);
        count[c->token[i]]++;
        running++;
    }
    for (uint32_t i = 0; i < c->words; i++) {
        size_t length = strlen(word_of(c, i));
        assert_true(length >= 1 && length <= 255);
        assert_true(c->count[i] == count[i] && count[i] >= least);
        sum += count[i];
        if (i == 0) continue;
        assert_true(c->count[i] <= c->count[i - 1]);
        if (c->count[i] == c->count[i - 1]) assert_true(strcmp(word_of(c, i - 1), word_of(c, i)) < 0);
    }
    assert_true(running == c->running && sum == running && c->seen >= running);
    free(count);
}

/* The corpus as text again: numbers as words, sentence ends as bars. */
static void spell(const hw_corpus *c, char *to, size_t size)
{
    size_t n = 0;
    to[0] = 0;
    for (uint32_t i = 0; i < c->tokens && n < size; i++)
        n += (size_t)snprintf(to + n, size - n, "%s%s", i ? " " : "",
                              c->token[i] == HW_SENTENCE_END ? "|" : word_of(c, c->token[i]));
}

static const struct {
    const char *name, *text;
    uint64_t least;
    const char *spelled;
    uint64_t seen;
} good_texts[] = {
    {"one word", "a", 1, "a |", 1},
    {"one word and a line end", "word\n", 1, "word |", 1},
    {"least 0 is least 1", "b a\n", 0, "b a |", 2},
    {"sentences", "a b\nb c\n", 1, "a b | b c |", 4},
    {"no last line end", "a b\nb c", 1, "a b | b c |", 4},
    {"CRLF", "a b\r\nb c\r\n", 1, "a b | b c |", 4},
    {"several line ends are one", "\n\n a b\n \n\r\n\nb c\n\n", 1, "a b | b c |", 4},
    {"all white space", "\ta\vb\fc\r d  e \t\n", 1, "a b c d e |", 5},
    {"left out words", "a b a c\nd\na e b\n", 2, "a b a | a b |", 8},
    {"a sentence of left out words", "a a\nx y\na\n", 2, "a a | a |", 5},
    {"left out at the begin and the end", "x\ny a a z\nq\n", 2, "a a |", 6},
    {"a byte order mark",
     "\xef\xbb\xbf"
     "a b\n",
     1, "a b |", 2},
    {"UTF-8", "na\xc3\xafve caf\xc3\xa9 na\xc3\xafve\n", 1, "na\xc3\xafve caf\xc3\xa9 na\xc3\xafve |", 3},
    {"bytes that are no UTF-8", "\xff\xfe \x80 \xff\xfe\n", 1, "\xff\xfe \x80 \xff\xfe |", 3},
    {"control characters are letters", "a\001b \177 \033\n", 1, "a\001b \177 \033 |", 3},
    {"no-break space is a letter",
     "a\xc2\xa0"
     "b c\n",
     1,
     "a\xc2\xa0"
     "b c |",
     2},
    {"capitals are other words", "A a A\n", 1, "A a A |", 3},
};

static void texts_are_read(void **state)
{
    (void)state;
    char why[HW_WHY], text[200];
    for (size_t i = 0; i < sizeof good_texts / sizeof *good_texts; i++)
        for (int gzip = 0; gzip < 2; gzip++) {
            hw_corpus c;
            if (gzip)
                put_gzip(good_texts[i].text, strlen(good_texts[i].text));
            else
                put(good_texts[i].text);
            if (hw_corpus_read(path, good_texts[i].least, 0, &c, why) != HW_OK)
                fail_msg("%s: %s", good_texts[i].name, why);
            check_corpus(&c, good_texts[i].least);
            spell(&c, text, sizeof text);
            if (strcmp(text, good_texts[i].spelled) != 0) fail_msg("%s: '%s'", good_texts[i].name, text);
            assert_int_equal(c.seen, good_texts[i].seen);
            hw_corpus_free(&c);
            hw_corpus_free(&c);
        }
    hw_corpus c;
    put("b c a c b\nc zz \xc3\xa9\n");
    assert_int_equal(hw_corpus_read(path, 1, 0, &c, why), HW_OK);
    const char *const order[] = {"c", "b", "a", "zz", "\xc3\xa9"};
    assert_int_equal(c.words, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_string_equal(word_of(&c, i), order[i]);
        assert_int_equal(hw_corpus_find(&c, order[i]), i);
    }
    assert_int_equal(hw_corpus_find(&c, "z"), UINT32_MAX);
    assert_int_equal(hw_corpus_find(&c, ""), UINT32_MAX);
    hw_corpus_free(&c);
    assert_int_equal(hw_corpus_find(&c, "a"), UINT32_MAX);
}

static void long_words_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[2000];
    const struct {
        const char *letter;
        size_t shift; /* ASCII letters before them */
    } forms[] = {{"x", 0},
                 {"\xc3\xa9", 0},
                 {"\xc3\xa9", 1},
                 {"\xe2\x82\xac", 0},
                 {"\xe2\x82\xac", 1},
                 {"\xe2\x82\xac", 2},
                 {"\xf0\x9f\x98\x80", 0},
                 {"\xf0\x9f\x98\x80", 1},
                 {"\xf0\x9f\x98\x80", 2},
                 {"\xf0\x9f\x98\x80", 3},
                 {"\x80", 0}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        hw_corpus c;
        size_t n = 0, letter = strlen(forms[i].letter);
        while (n < forms[i].shift) text[n++] = 'a';
        while (n < 600) {
            memcpy(text + n, forms[i].letter, letter);
            n += letter;
        }
        memcpy(text + n, " b\n", 4);
        put(text);
        assert_int_equal(hw_corpus_read(path, 1, 0, &c, NULL), HW_OK);
        check_corpus(&c, 1);
        assert_int_equal(c.words, 2);
        assert_int_equal(c.running, 2);
        uint32_t word = c.token[0];
        size_t expected = (255 - forms[i].shift) / letter * letter + forms[i].shift;
        assert_int_equal(strlen(word_of(&c, word)), expected);
        assert_memory_equal(word_of(&c, word), text, expected);
        hw_corpus_free(&c);
    }
}

static const struct bad bad_texts[] = {
    BAD("empty", "", "there are no words in it"),
    BAD("a byte order mark only", "\xef\xbb\xbf", "there are no words in it"),
    BAD("line ends only", "\n\n\r\n", "there are no words in it"),
    BAD("spaces only", " \t \v\f\r", "there are no words in it"),
    BAD("nothing seen often", "a b c a\nb d a\n", "no word is seen 5 times: the most frequent one is seen 3"),
    BAD("one word", "word", "no word is seen 5 times: the most frequent one is seen 1"),
    BAD("a zero byte only", "\0", "line 1: a zero byte"),
    BAD("a zero byte in a word", "a b\na\0b\n", "line 2: a zero byte"),
    BAD("a zero byte between words", "a\n\n\n \0 b", "line 4: a zero byte"),
    BAD("a zero byte at the end", "a b\n\n\0", "line 3: a zero byte"),
    BAD("UTF-16",
        "\xff\xfe"
        "a\0 \0b\0",
        "line 1: a zero byte"),
    BAD("gzip cut after its magic", "\x1f\x8b", ""),
    BAD("gzip of another method", "\x1f\x8b\x07\x01\x01\x01\x01\x01\x01\x01", ""),
};

static void bad_texts_get_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_texts / sizeof *bad_texts; i++) {
        const struct bad *b = bad_texts + i;
        char why[HW_WHY] = "";
        hw_corpus c;
        put_bytes(b->text, b->bytes);
        memset(&c, 0x55, sizeof c);
        hw_status status = hw_corpus_read(path, 5, 0, &c, why);
        if (status != HW_E_FORMAT || !strstr(why, b->part) || strncmp(why, path, strlen(path)) != 0)
            fail_msg("%s: status %d, '%s', expected '%s'", b->name, status, why, b->part);
        assert_true(!c.token && !c.text && !c.at && !c.count && !c.words && !c.tokens && !c.seen);
    }
    hw_corpus c;
    char why[HW_WHY];
    put("a b a\n");
    assert_int_equal(hw_corpus_read(path, UINT64_MAX, 0, &c, why), HW_E_FORMAT);
    assert_text(why, "18446744073709551615");
}

/* Random words against counting by comparison. */
static void random_texts_agree_with_plain_counting(void **state)
{
    (void)state;
    enum { KINDS = 3000, WORDS = 40000 };
    hw_rng rng;
    hw_rng_seed(&rng, 3, 0);
    static char name[KINDS][40];
    static uint64_t count[KINDS];
    static uint32_t written[WORDS];
    memset(count, 0, sizeof count);
    for (unsigned i = 0; i < KINDS; i++) /* prefixes of each other, of 1 to 30 bytes */
        snprintf(name[i], sizeof name[i], "%.*s%u", (int)(i % 25), "aaaaaaaaaaaaaaaaaaaaaaaaa", i);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (unsigned i = 0; i < WORDS; i++) {
        uint32_t k = (uint32_t)(KINDS * pow(hw_rng_uniform(&rng), 3));
        written[i] = k;
        count[k]++;
        fprintf(f, "%s%c", name[k], i % 10 == 9 ? '\n' : ' ');
    }
    fclose(f);
    for (uint64_t least = 1; least < 20; least += 6) {
        hw_corpus c;
        uint32_t kept = 0, at = 0;
        assert_int_equal(hw_corpus_read(path, least, 0, &c, NULL), HW_OK);
        check_corpus(&c, least);
        assert_int_equal(c.seen, WORDS);
        for (unsigned k = 0; k < KINDS; k++) kept += count[k] >= least;
        assert_int_equal(c.words, kept);
        for (unsigned i = 0; i < WORDS; i++) {
            if (i % 10 == 0 && at > 0 && c.token[at] == HW_SENTENCE_END) at++;
            if (count[written[i]] < least) continue;
            assert_string_equal(word_of(&c, c.token[at]), name[written[i]]);
            assert_int_equal(c.count[c.token[at]], count[written[i]]);
            at++;
        }
        assert_int_equal(at + 1, c.tokens);
        hw_corpus_free(&c);
    }
}

static void generated_texts_have_their_topics(void **state)
{
    (void)state;
    enum { WORDS = 60, TOPICS = 6, SENTENCES = 6000, LENGTH = 20, OWN = WORDS / TOPICS };
    char why[HW_WHY], name[30];
    hw_corpus a, b;
    assert_int_equal(hw_corpus_generate(WORDS, TOPICS, SENTENCES, LENGTH, 4, &a, why), HW_OK);
    assert_int_equal(a.tokens, SENTENCES * (LENGTH + 1));
    assert_true(a.words == WORDS && a.seen == SENTENCES * LENGTH && a.running == a.seen);
    uint64_t count[WORDS] = {0}, topics[TOPICS] = {0};
    for (uint32_t s = 0; s < SENTENCES; s++) {
        const uint32_t *t = a.token + s * (LENGTH + 1);
        topics[t[0] / OWN]++;
        for (int i = 0; i < LENGTH; i++) {
            assert_true(t[i] < WORDS && t[i] / OWN == t[0] / OWN);
            count[t[i]]++;
        }
        assert_true(t[LENGTH] == HW_SENTENCE_END);
    }
    double harmonic = 0;
    for (int i = 0; i < OWN; i++) harmonic += 1.0 / (i + 1);
    for (uint32_t w = 0; w < WORDS; w++) {
        assert_true(count[w] == a.count[w]);
        double expected = (double)topics[w / OWN] * LENGTH / (w % OWN + 1) / harmonic;
        assert_near((double)count[w], expected, 5 * sqrt(expected));
        snprintf(name, sizeof name, "t%uw%u", w / OWN, w % OWN);
        assert_string_equal(word_of(&a, w), name);
        assert_int_equal(hw_corpus_find(&a, name), w);
    }
    for (int t = 0; t < TOPICS; t++) assert_near((double)topics[t], SENTENCES / TOPICS, 5 * sqrt(SENTENCES / TOPICS));
    assert_int_equal(hw_corpus_generate(WORDS, TOPICS, 50, LENGTH, 4, &b, why), HW_OK);
    assert_memory_equal(a.token, b.token, b.tokens * sizeof(uint32_t));
    hw_corpus_free(&b);
    assert_int_equal(hw_corpus_generate(WORDS, TOPICS, 50, LENGTH, 5, &b, why), HW_OK);
    assert_memory_not_equal(a.token, b.token, b.tokens * sizeof(uint32_t));
    hw_corpus_free(&b);
    hw_corpus_free(&a);
    assert_int_equal(hw_corpus_generate(1, 1, 1, 1, 0, &a, why), HW_OK);
    assert_true(a.tokens == 2 && a.token[0] == 0 && a.count[0] == 1);
    hw_corpus_free(&a);
}

/* --- damage --------------------------------------------------------------------------------------------------------
 */

/* One to three bytes of a good file changed, taken out or added, 20,000 times: a consistent result or a sentence. */
static void damage(bool text)
{
    static const char csv[] = "userId,movieId,rating,\"a note\"\r\n1,10,4.0,\"x, \"\"y\"\"\"\r\n1,20,3.5,\n2,10,1,z\n"
                              "3,20,2.25e0,\"q\nr\"\n3,30,5,\n18446744073709551615,30,-1,\n";
    static const char dat[] = "1::10::4::9\n1::20::3.5::9\n2::10::1::8\n3::20::5::7\n";
    static const char words[] = "the cat sat on the mat\nthe caf\xc3\xa9 was on\r\n\n\ton the mat the cat sat\n";
    static const char likely[] = ",;\t:\"\n\r 0123456789.-+eE\0\x80\xffuser";
    hw_rng rng;
    hw_rng_seed(&rng, 9, text);
    unsigned good = 0;
    for (int i = 0; i < 20000; i++) {
        char bytes[400], why[HW_WHY] = "";
        const char *from = text ? words : i % 4 ? csv : dat;
        size_t n = strlen(from);
        memcpy(bytes, from, n);
        for (uint64_t k = 1 + hw_rng_below(&rng, 3); k > 0; k--) {
            size_t at = (size_t)hw_rng_below(&rng, n);
            uint64_t x = hw_rng_next(&rng);
            char byte = x & 1 ? likely[(x >> 8) % (sizeof likely - 1)] : (char)(x >> 56);
            switch ((x >> 1) % 4) {
            case 0: /* taken out */ memmove(bytes + at, bytes + at + 1, --n - at); break;
            case 1: /* added */
                memmove(bytes + at + 1, bytes + at, n++ - at);
                bytes[at] = byte;
                break;
            default: bytes[at] = byte;
            }
        }
        if (i % 50 == 49) n = (size_t)hw_rng_below(&rng, n); /* cut short */
        put_bytes(bytes, n);
        hw_ratings r;
        hw_corpus c;
        uint64_t least = 1 + (uint64_t)i % 3;
        hw_status status = text ? hw_corpus_read(path, least, 0, &c, why) : hw_ratings_read(path, 0, &r, why);
        if (status != HW_OK) {
            assert_int_equal(status, HW_E_FORMAT);
            assert_text(why, path);
            continue;
        }
        good++;
        if (text) {
            check_corpus(&c, least);
            hw_corpus_free(&c);
        } else {
            check_ratings(&r);
            check_distinct(&r);
            hw_ratings_free(&r);
        }
    }
    assert_true(good > 1000 && good < 20000);
}

static void damaged_ratings_never_crash(void **state)
{
    (void)state;
    damage(false);
}

static void damaged_texts_never_crash(void **state)
{
    (void)state;
    damage(true);
}

static void gzip_is_capped_and_its_end_is_checked(void **state)
{
    (void)state;
    enum { BOMB = 1 << 24 };
    char why[HW_WHY], *bytes = malloc(BOMB);
    hw_ratings r;
    hw_corpus c;
    assert_non_null(bytes);
    memset(bytes, ' ', BOMB);
    memcpy(bytes, "user,item,rating\n1,2,3\n", 23);
    put_gzip(bytes, BOMB);
    assert_true(file_size() < 1 << 16);
    assert_int_equal(hw_ratings_read(path, 1 << 20, &r, why), HW_E_LIMIT);
    assert_text(why, "1048576");
    assert_int_equal(hw_corpus_read(path, 1, 1 << 20, &c, why), HW_E_LIMIT);
    assert_text(why, "1048576");
    put_bytes(bytes, BOMB); /* plain ones alike */
    assert_int_equal(hw_ratings_read(path, 1 << 20, &r, why), HW_E_LIMIT);
    assert_int_equal(hw_corpus_read(path, 1, 1 << 20, &c, why), HW_E_LIMIT);
    assert_text(why, "1048576");
    assert_int_equal(hw_corpus_read(path, 1, BOMB - 1, &c, why), HW_E_LIMIT);
    assert_int_equal(hw_corpus_read(path, 1, BOMB, &c, why), HW_OK);
    hw_corpus_free(&c);
    /* Every length of a file cut short. */
    size_t n = 17;
    memcpy(bytes, "user,item,rating\n", n);
    for (int i = 0; i < 60; i++) n += (size_t)sprintf(bytes + n, "%d,%d,%d\n", i, i * i % 61, i % 5);
    put_gzip(bytes, n);
    assert_int_equal(hw_ratings_read(path, 0, &r, why), HW_OK);
    assert_int_equal(r.count, 60);
    hw_ratings_free(&r);
    assert_int_equal(hw_ratings_read(path, n, &r, why), HW_OK);
    hw_ratings_free(&r);
    assert_int_equal(hw_ratings_read(path, n - 1, &r, why), HW_E_LIMIT);
    for (long size = file_size() - 1; size >= 0; size--) {
        assert_int_equal(truncate(path, size), 0);
        assert_int_equal(hw_ratings_read(path, 0, &r, why), HW_E_FORMAT);
        assert_text(why, path);
        assert_int_equal(hw_corpus_read(path, 1, 0, &c, why), size == 1 ? HW_OK : HW_E_FORMAT); /* one byte is a word */
        hw_corpus_free(&c);
    }
    free(bytes);
}

/* --- real data -----------------------------------------------------------------------------------------------------
 */

static void movielens_has_its_figures(void **state)
{
    (void)state;
    char real[1024], why[HW_WHY];
    hw_ratings r;
    need_data("ml-latest-small/ratings.csv", real, sizeof real);
    if (hw_ratings_read(real, 0, &r, why) != HW_OK) fail_msg("%s", why);
    check_ratings(&r);
    assert_int_equal(r.count, 100836);
    assert_int_equal(r.users, 610);
    assert_int_equal(r.items, 9724);
    assert_true(r.low == 0.5f && r.high == 5 && r.user_id[0] == 1 && r.user_id[609] == 610);
    assert_near(r.mean, 3.501557, 1e-6);
    hw_ratings_free(&r);
}

static void imdb_text_has_its_figures(void **state)
{
    (void)state;
    char real[1024], why[HW_WHY];
    need_data("words/imdb-unsup-40k.txt.gz", real, sizeof real);
    for (uint64_t least = 1; least <= 5; least += 4) {
        hw_corpus c;
        if (hw_corpus_read(real, least, 0, &c, why) != HW_OK) fail_msg("%s", why);
        check_corpus(&c, least);
        assert_int_equal(c.seen, 9479691);
        assert_int_equal(c.words, least == 1 ? 90269 : 35838);
        assert_int_equal(c.tokens, c.running + 40000);
        assert_true(least > 1 || c.running == c.seen);
        assert_string_equal(word_of(&c, 0), "the");
        hw_corpus_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratings_are_read_in_every_form),
        cmocka_unit_test(many_ids_are_numbered),
        cmocka_unit_test(bad_ratings_get_a_sentence),
        cmocka_unit_test(bad_arguments_get_a_sentence),
        cmocka_unit_test(a_split_is_disjoint_complete_and_deterministic),
        cmocka_unit_test(other_ratings_are_renumbered),
        cmocka_unit_test(generated_ratings_have_the_truth_of_their_plan),
        cmocka_unit_test(generated_users_and_items_follow_the_power_law),
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(long_words_are_cut_at_a_character),
        cmocka_unit_test(bad_texts_get_a_sentence),
        cmocka_unit_test(random_texts_agree_with_plain_counting),
        cmocka_unit_test(generated_texts_have_their_topics),
        cmocka_unit_test(damaged_ratings_never_crash),
        cmocka_unit_test(damaged_texts_never_crash),
        cmocka_unit_test(gzip_is_capped_and_its_end_is_checked),
        cmocka_unit_test(movielens_has_its_figures),
        cmocka_unit_test(imdb_text_has_its_figures),
    };
    return cmocka_run_group_tests_name("tables", tests, make_folder, drop_folder);
}
