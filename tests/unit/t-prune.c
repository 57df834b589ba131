#include "prune.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fixed-clock.h"
#include "publishing.h"

enum { LONG_AGO = 400 * 86400, DAY = 86400, WEEK = 7 * DAY };

/* A tag, or a manifest, was pushed that many seconds and nanoseconds ago. */
static void set_age(const struct stl_repo *repo, const char *reference, int64_t seconds, long nanoseconds)
{
    STL_AUTO_FREE char *path = stl_sprintf("manifests/%s", reference);
    const struct timespec pushed = {clock_now - seconds, nanoseconds}, times[] = {pushed, pushed};
    assert_int_equal(utimensat(repo->fd, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void set_digest_age(const struct stl_repo *repo, const struct stl_digest *digest, int64_t seconds)
{
    set_age(repo, unit_digest_text(digest), seconds, 0);
}

static struct stl_digest push(const struct stl_repo *repo, const char *seed, const char *tag)
{
    struct stl_digest digest = unit_push(repo, seed, tag);
    if (tag)
        set_age(repo, tag, LONG_AGO, 0);
    set_digest_age(repo, &digest, LONG_AGO);
    return digest;
}

static struct stl_digest push_json(const struct stl_repo *repo, const char *json, const char *tag)
{
    struct stl_digest digest = unit_digest(json);
    OK(unit_publish(repo, json, tag));
    if (tag)
        set_age(repo, tag, LONG_AGO, 0);
    set_digest_age(repo, &digest, LONG_AGO);
    return digest;
}

/* --- what a run says ------------------------------------------------------------------------------------ */

struct run {
    struct stl_buf
        text; /* "-v1: WHY\n" if it goes, else "+v1: WHY\n"; of a manifest "image" for its digest */
    struct stl_prune_result result;
};

static void tell(void *context, const struct stl_prune_item *item)
{
    struct run *run = context;
    stl_buf_printf(&run->text, "%s%s: %s\n", item->remove ? "-" : "+", item->tag ? item->tag : "image",
                   item->why);
}

static void have_no_problem(void *context, const char *name, const struct stl_error *why)
{
    (void)context;
    fail_msg("%s: %s", name, why->message);
}

static const struct stl_pulls no_pulls;

static struct run prune(const struct unit *unit, const struct stl_prune_rule *rules, size_t count,
                        const struct stl_pulls *pulls, int64_t grace, bool apply)
{
    STL_AUTO_FREE struct stl_prune_rule *copies = stl_alloc(count * sizeof *rules);
    memcpy(copies, rules, count * sizeof *rules);
    const struct stl_prune_rules all = {copies, count};
    struct run run = {.text = STL_BUF_INIT};
    const struct stl_prune_options options = {.rules = &all,
                                              .pulls = pulls,
                                              .grace = grace,
                                              .apply = apply,
                                              .item = tell,
                                              .problem = have_no_problem,
                                              .context = &run};
    OK(stl_prune(&unit->registry, &options, &run.result, &err));
    assert_int_equal(run.result.problems, 0);
    return run;
}

static void check_plan(const struct unit *unit, const struct stl_prune_rule *rules, size_t count,
                       const struct stl_pulls *pulls, int64_t grace, const char *expected)
{
    struct run run = prune(unit, rules, count, pulls, grace, false);
    assert_string_equal(run.text.length ? run.text.data : "", expected);
    stl_buf_clear(&run.text);
}

/* --- ages ----------------------------------------------------------------------------------------------- */

static void to_the_second(void **state)
{
    static const struct {
        int64_t younger, grace, age;
        const char *told;
    } rows[] = {
        {DAY, 0, DAY - 1, "+v1: pushed 23 hours ago\n"}, {DAY, 0, DAY, "-v1: pushed 1 day ago\n"},
        {0, 0, 0, "-v1: pushed 0 seconds ago\n"},        {0, 0, -5, "-v1: pushed 0 seconds ago\n"},
        {0, 0, 1, "-v1: pushed 1 second ago\n"},         {0, 0, 59, "-v1: pushed 59 seconds ago\n"},
        {0, 0, 60, "-v1: pushed 1 minute ago\n"},        {0, 0, 3599, "-v1: pushed 59 minutes ago\n"},
        {0, 0, 3600, "-v1: pushed 1 hour ago\n"},        {0, 0, 2 * DAY - 1, "-v1: pushed 1 day ago\n"},
        {0, 0, 2 * DAY, "-v1: pushed 2 days ago\n"},     {0, 60, 60, "+v1: pushed within the grace period\n"},
        {0, 60, 61, "-v1: pushed 1 minute ago\n"},
    };
    struct unit *unit = *state;
    push(&unit->repo, "one", "v1");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
        rule.keep_younger = rows[i].younger;
        set_age(&unit->repo, "v1", rows[i].age, 0);
        STL_AUTO_FREE char *told = stl_sprintf(
            "%s%s", rows[i].told, rows[i].told[0] == '-' ? "-image: belongs to a tag that is removed\n" : "");
        check_plan(unit, &rule, 1, &no_pulls, rows[i].grace, told);
    }
}

static void of_a_manifest_as_well(void **state)
{
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    const struct stl_digest one = push(&unit->repo, "one", "v1");
    rule.keep_younger = 0;
    set_digest_age(&unit->repo, &one, 60);
    check_plan(unit, &rule, 1, &no_pulls, 60, "+v1: pushed within the grace period\n");
    set_digest_age(&unit->repo, &one, 61);
    check_plan(unit, &rule, 1, &no_pulls, 60,
               "-v1: pushed 400 days ago\n-image: belongs to a tag that is removed\n");
    set_digest_age(&unit->repo, &one, 1);
    check_plan(unit, &rule, 1, &no_pulls, 1, "+v1: pushed within the grace period\n");
}

static void of_what_refers_to_it_too(void **state)
{
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    push(&unit->repo, "one", "v1");
    STL_AUTO_FREE char *image = unit_image("one", "");
    STL_AUTO_FREE char *subject = unit_descriptor(STL_TYPE_OCI_MANIFEST, image);
    STL_AUTO_FREE char *more = stl_sprintf(",\"subject\":%s", subject);
    STL_AUTO_FREE char *signature = unit_image("signature", more);
    unit_image_blobs(&unit->repo, "signature");
    const struct stl_digest digest = push_json(&unit->repo, signature, NULL);
    rule.keep_younger = 0;
    check_plan(unit, &rule, 1, &no_pulls, 60,
               "-v1: pushed 400 days ago\n-image: belongs to a tag that is removed\n"
               "-image: belongs to a tag that is removed\n");
    set_digest_age(&unit->repo, &digest, 60);
    check_plan(unit, &rule, 1, &no_pulls, 60, "+v1: pushed within the grace period\n");
}

static void without_a_tag(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest one = push(&unit->repo, "one", NULL);
    /* The first rule says nothing about it, and the third comes too late. */
    struct stl_prune_rule rules[] = {STL_PRUNE_RULE_INIT, STL_PRUNE_RULE_INIT, STL_PRUNE_RULE_INIT};
    rules[0].keep_younger = 0;
    rules[1].untagged_older = 100;
    rules[2].untagged_older = 1000;
    set_digest_age(&unit->repo, &one, 99);
    check_plan(unit, rules, 3, &no_pulls, 0, "");
    set_digest_age(&unit->repo, &one, 100);
    check_plan(unit, rules, 3, &no_pulls, 0, "-image: untagged for 1 minute\n");
    check_plan(unit, rules, 3, &no_pulls, 100, "");
    check_plan(unit, rules, 3, &no_pulls, 99, "-image: untagged for 1 minute\n");
    check_plan(unit, rules, 1, &no_pulls, 0, "");
    rules[1].untagged_older = 0;
    set_digest_age(&unit->repo, &one, 0);
    check_plan(unit, rules, 3, &no_pulls, 0, "-image: untagged for 0 seconds\n");
}

/* Neither the rule of another repository nor that of other tags decides. */
static void the_rule_of_a_tag(void **state)
{
    struct unit *unit = *state;
    char other[] = "other", pattern[] = "v2", *patterns[] = {pattern};
    struct stl_prune_rule rules[] = {STL_PRUNE_RULE_INIT, STL_PRUNE_RULE_INIT, STL_PRUNE_RULE_INIT};
    push(&unit->repo, "one", "v1");
    rules[0].repository = other;
    rules[0].keep_newest = 7;
    rules[1].tags.items = patterns;
    rules[1].tags.count = 1;
    rules[1].keep_newest = 8;
    check_plan(unit, rules, 2, &no_pulls, 0, "+v1: no rule is about it\n");
    rules[2].keep_newest = 9;
    check_plan(unit, rules, 3, &no_pulls, 0, "+v1: one of the newest 9\n");
}

static void the_newest(void **state)
{
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    static const char *const tags[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        push(&unit->repo, tags[i], tags[i]);
    set_age(&unit->repo, "a", 50, 7); /* of one second: the later nanosecond, */
    set_age(&unit->repo, "b", 50, 6); /* ... and of one nanosecond the later name */
    set_age(&unit->repo, "c", 50, 6);
    set_age(&unit->repo, "d", 51, 9);
    static const char *const told[] = {
        "-a -b -c -d", "+a -b -c -d", "+a -b +c -d", "+a +b +c -d", "+a +b +c +d",
    };
    for (size_t newest = 0; newest < 5; newest++) {
        rule.keep_newest = (int64_t)newest;
        struct run run = prune(unit, &rule, 1, &no_pulls, 0, false);
        STL_AUTO_BUF struct stl_buf found = STL_BUF_INIT;
        for (char *line = run.text.data; line && *line; line = strchr(line, '\n') + 1)
            if (!strncmp(line + 2, ":", 1))
                stl_buf_printf(&found, "%s%.2s", found.length ? " " : "", line);
        assert_string_equal(found.data, told[newest]);
        assert_int_equal(run.result.repositories, 1);
        assert_int_equal(run.result.tags_kept, newest);
        assert_int_equal(run.result.tags_removed, 4 - newest);
        assert_int_equal(run.result.manifests_removed, 4 - newest);
        stl_buf_clear(&run.text);
    }
}

/* --- pulls ---------------------------------------------------------------------------------------------- */

static void not_pulled_for_so_long(void **state)
{
    static const struct {
        int64_t pushed, since, until, pulled, by_digest; /* seconds ago; -1: not at all */
        const char *why;
    } rows[] = {
        {99, 1000, 0, -1, -1, "+v1: pushed 1 minute ago\n"},
        {100, 1000, 0, -1, -1, "-v1: pushed 1 minute ago, not pulled for 1 minute\n"},
        {100, -1, -1, -1, -1, "+v1: pulls are not known for long enough ('stillage log --pulls --record')\n"},
        {100, 99, 0, -1, -1, "+v1: pulls are not known for long enough ('stillage log --pulls --record')\n"},
        {100, 100, 0, -1, -1, "-v1: pushed 1 minute ago, not pulled for 1 minute\n"},
        {100, WEEK + 100, WEEK, -1, -1, "-v1: pushed 1 minute ago, not pulled for 1 minute\n"},
        {100, WEEK + 100, WEEK + 1, -1, -1,
         "+v1: the pulls of the last week are not known ('stillage log --pulls --record')\n"},
        {100, 1000, 0, 99, -1, "+v1: pulled 1 minute ago\n"},
        {100, 1000, 0, 100, -1, "-v1: pushed 1 minute ago, not pulled for 1 minute\n"},
        {100, 1000, 0, -1, 30, "+v1: pulled 30 seconds ago\n"},
        {100, 1000, 0, 20, 30, "+v1: pulled 20 seconds ago\n"},
        {100, 1000, 0, 30, 20, "+v1: pulled 20 seconds ago\n"},
    };
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    const struct stl_digest one = push(&unit->repo, "one", "v1");
    push(&unit->repo, "other", "v2");
    set_age(&unit->repo, "v2", 0, 0);
    rule.not_pulled_for = 100;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        STL_AUTO_PULLS struct stl_pulls pulls = {0};
        if (rows[i].since >= 0) {
            pulls.since = clock_now - rows[i].since;
            pulls.until = clock_now - rows[i].until;
        }
        struct stl_record record = {.repository = "lib/app"};
        if (rows[i].pulled >= 0) {
            record.time = clock_now - rows[i].pulled;
            record.tag = "v1";
            stl_pulls_note(&pulls, &record);
        }
        if (rows[i].by_digest >= 0) {
            record = (struct stl_record){.repository = "lib/app", .time = clock_now - rows[i].by_digest};
            record.digest = unit_digest_text(&one);
            stl_pulls_note(&pulls, &record);
        }
        set_age(&unit->repo, "v1", rows[i].pushed, 0);
        STL_AUTO_FREE char *told =
            stl_sprintf("%s+v2: pushed 0 seconds ago\n%s", rows[i].why,
                        rows[i].why[0] == '-' ? "-image: belongs to a tag that is removed\n" : "");
        check_plan(unit, &rule, 1, &pulls, 0, told);
    }
}

static void a_platform_is_pulled_for_its_index(void **state)
{
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    const struct stl_digest child = push(&unit->repo, "child", NULL);
    STL_AUTO_FREE char *image = unit_image("child", "");
    STL_AUTO_FREE char *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, image);
    STL_AUTO_FREE char *index = stl_sprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[%s]}", descriptor);
    push_json(&unit->repo, index, "v1");
    STL_AUTO_PULLS struct stl_pulls pulls = {.since = clock_now - LONG_AGO, .until = clock_now};
    rule.not_pulled_for = DAY;
    const struct stl_record record = {
        .repository = "lib/app", .digest = unit_digest_text(&child), .time = clock_now - 7200};
    stl_pulls_note(&pulls, &record);
    check_plan(unit, &rule, 1, &pulls, 0, "+v1: pulled 2 hours ago\n");
    const struct stl_digest listing = unit_digest(index);
    stl_pulls_note(&pulls, &(struct stl_record){.repository = "lib/app",
                                                .digest = unit_digest_text(&listing),
                                                .time = clock_now - 3600});
    check_plan(unit, &rule, 1, &pulls, 0, "+v1: pulled 1 hour ago\n");
    stl_pulls_note(&pulls, &(struct stl_record){.repository = "lib/app", .tag = "v1", .time = clock_now + 5});
    check_plan(unit, &rule, 1, &pulls, 0, "+v1: pulled 0 seconds ago\n");
    /* And freshness goes up the same way. */
    set_digest_age(&unit->repo, &child, 60);
    check_plan(unit, &rule, 1, &pulls, 60, "+v1: pushed within the grace period\n");
}

/* Nor is a pull of its signature one of the image. */
static void no_pull_at_all(void **state)
{
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    push(&unit->repo, "one", "v1");
    STL_AUTO_FREE char *image = unit_image("one", "");
    STL_AUTO_FREE char *subject = unit_descriptor(STL_TYPE_OCI_MANIFEST, image);
    STL_AUTO_FREE char *more = stl_sprintf(",\"subject\":%s", subject);
    STL_AUTO_FREE char *signature = unit_image("signature", more);
    unit_image_blobs(&unit->repo, "signature");
    const struct stl_digest digest = push_json(&unit->repo, signature, NULL);
    STL_AUTO_PULLS struct stl_pulls pulls = {.since = clock_now - LONG_AGO, .until = clock_now};
    stl_pulls_note(&pulls, &(struct stl_record){.repository = "lib/app",
                                                .digest = unit_digest_text(&digest),
                                                .time = clock_now});
    rule.not_pulled_for = DAY;
    check_plan(unit, &rule, 1, &pulls, 0,
               "-v1: pushed 400 days ago, not pulled for 1 day\n-image: belongs to a tag that is removed\n"
               "-image: belongs to a tag that is removed\n");
    rule.not_pulled_for = 0;
    check_plan(
        unit, &rule, 1, &pulls, 0,
        "-v1: pushed 400 days ago, not pulled for 0 seconds\n-image: belongs to a tag that is removed\n"
        "-image: belongs to a tag that is removed\n");
    check_plan(unit, &rule, 1, &no_pulls, 0,
               "+v1: pulls are not known for long enough ('stillage log --pulls --record')\n");
}

/* --- what belongs together ------------------------------------------------------------------------------ */

static char *follower_of(const struct stl_digest *digest, const char *suffix)
{
    return stl_sprintf("sha256-%s.%s", strchr(unit_digest_text(digest), ':') + 1, suffix);
}

/* Nothing of it stays, nor is anything left in the repository. */
static void a_tag_that_names_a_manifest_goes_with_it(void **state)
{
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    const struct stl_digest one = push(&unit->repo, "one", "v1");
    STL_AUTO_FREE char *tag = follower_of(&one, "sig");
    const struct stl_digest signature = push(&unit->repo, "signature", tag);
    STL_AUTO_FREE char *second_tag = follower_of(&signature, "sig");
    push(&unit->repo, "counter-signature", second_tag);
    rule.keep_newest = 0;
    struct run run = prune(unit, &rule, 1, &no_pulls, 0, true);
    assert_int_equal(run.result.tags_removed, 3);
    assert_int_equal(run.result.manifests_removed, 3);
    assert_int_equal(unit_count(unit->repo.fd, "manifests"), 0);
    stl_buf_clear(&run.text);
}

static void a_tag_that_names_a_manifest_stays_with_it(void **state)
{
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    const struct stl_digest one = push(&unit->repo, "one", "v1");
    STL_AUTO_FREE char *tag = follower_of(&one, "sig");
    const struct stl_digest signature = push(&unit->repo, "signature", tag);
    STL_AUTO_FREE char *second_tag = follower_of(&signature, "sig");
    push(&unit->repo, "counter-signature", second_tag);
    rule.keep_newest = 1;
    rule.untagged_older = 0;
    struct run run = prune(unit, &rule, 1, &no_pulls, 0, true);
    assert_int_equal(run.result.tags_kept, 3);
    assert_int_equal(run.result.manifests_removed, 0);
    assert_int_equal(unit_count(unit->repo.fd, "manifests"), 6);
    stl_buf_clear(&run.text);
}

/* Also if that one has no tag, but is young. */
static void a_tag_that_names_a_young_manifest(void **state)
{
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    const struct stl_digest one = push(&unit->repo, "one", NULL);
    STL_AUTO_FREE char *tag = follower_of(&one, "sig");
    push(&unit->repo, "signature", tag);
    rule.keep_newest = 0;
    rule.untagged_older = 100;
    set_digest_age(&unit->repo, &one, 50);
    STL_AUTO_FREE char *stays = stl_sprintf("+%s: belongs to a manifest that is kept\n", tag);
    check_plan(unit, &rule, 1, &no_pulls, 0, stays);
    set_digest_age(&unit->repo, &one, 100);
    struct run run = prune(unit, &rule, 1, &no_pulls, 0, true);
    assert_int_equal(run.result.tags_removed, 1);
    assert_int_equal(run.result.manifests_removed, 2);
    stl_buf_clear(&run.text);
}

/* It stays although the manifest that it names goes, and so does what it leads to. */
static void an_immutable_tag_follows_nothing(void **state)
{
    struct unit *unit = *state;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    unit_settings(unit, "version: 1\nimmutable: [{tags: 'sha256-*'}]\n");
    const struct stl_digest one = push(&unit->repo, "one", "v1");
    STL_AUTO_FREE char *tag = follower_of(&one, "sig");
    const struct stl_digest signature = push(&unit->repo, "signature", tag);
    push(&unit->repo, "signature", "v2");
    STL_AUTO_FREE char *told =
        stl_sprintf("+%s: immutable\n-v1: pushed 400 days ago, not one of the newest 0\n"
                    "-v2: pushed 400 days ago, not one of the newest 0\n"
                    "-image: belongs to a tag that is removed\n",
                    tag);
    rule.keep_newest = 0;
    rule.untagged_older = 0;
    check_plan(unit, &rule, 1, &no_pulls, 0, told);
    struct run run = prune(unit, &rule, 1, &no_pulls, 0, true);
    CHECK_TAG(unit, tag, &signature);
    assert_int_equal(unit_count(unit->repo.fd, "manifests"), 2);
    stl_buf_clear(&run.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(to_the_second),
        repository_test(of_a_manifest_as_well),
        repository_test(of_what_refers_to_it_too),
        repository_test(without_a_tag),
        repository_test(the_rule_of_a_tag),
        repository_test(the_newest),
        repository_test(not_pulled_for_so_long),
        repository_test(a_platform_is_pulled_for_its_index),
        repository_test(no_pull_at_all),
        repository_test(a_tag_that_names_a_manifest_goes_with_it),
        repository_test(a_tag_that_names_a_manifest_stays_with_it),
        repository_test(a_tag_that_names_a_young_manifest),
        repository_test(an_immutable_tag_follows_nothing),
    };
    return unit_run(tests);
}
