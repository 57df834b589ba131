/* Forms: tokens of users and of projects' robots, and members, through stillage.cgi within this process. */
#include "asking.h"

#include <time.h>

#include "json.h"
#include "robot.h"

/* A hash of "secret" that takes no time. */
#define SECRET ":$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
#define DAY INT64_C(86400)

static const char settings[] = "version: 1\n"
                               "auth: {user-tokens: 30d}\n"
                               "access:\n"
                               "  - {repository: 'lib/**', push: [user]}\n"
                               "projects:\n"
                               "  - {name: a, admin: [alice]}\n"
                               "  - {name: a/b, admin: [al]}\n"
                               "  - {name: ab, admin: [alice2]}\n";

static void begin_tokens(struct unit *unit)
{
    unit_settings(unit, settings);
    unit_write(unit->registry.root.fd, "auth/htpasswd", "al" SECRET "alice" SECRET "alice2" SECRET);
}

/* The form of a user who logs in; returns the status. */
static int form(const struct unit *unit, const char *user, const char *fields)
{
    STL_AUTO_FREE char *text =
        stl_sprintf("grant_type=password&username=%s&password=secret&%s", user, fields);
    return send_body(unit, "POST", "/v2/_token", "CONTENT_TYPE=application/x-www-form-urlencoded\n", text);
}

/* What the last answer says; the caller gives it back. */
static struct json_object *answer(void)
{
    struct json_object *object = stl_json_parse(body(), strlen(body()), &err);
    assert_non_null(object);
    return object;
}

static char *member(const char *key)
{
    STL_AUTO_JSON struct json_object *object = answer();
    const char *text = NULL;
    OK(stl_json_string(object, key, &text, &err));
    return stl_strdup(text ? text : "");
}

/* The names of the tokens of the last answer, as "one two ". */
static void check_names(const char *expected)
{
    STL_AUTO_JSON struct json_object *object = answer();
    STL_AUTO_BUF struct stl_buf names = STL_BUF_INIT;
    struct json_object *tokens = NULL;
    OK(stl_json_array(object, "tokens", &tokens, &err));
    stl_buf_puts(&names, "");
    for (size_t i = 0; i < json_object_array_length(tokens); i++) {
        struct json_object *name = NULL;
        assert_true(json_object_object_get_ex(json_object_array_get_idx(tokens, i), "name", &name));
        stl_buf_printf(&names, "%s ", json_object_get_string(name));
    }
    assert_string_equal(names.data, expected);
}

static void make_token(const struct unit *unit, const char *user, const char *name, int64_t created)
{
    char token[STL_ROBOT_TOKEN];
    struct stl_robot robot = {.repository = "lib/**", .actions = 1u << STL_PULL, .created = created};
    snprintf(robot.user, sizeof robot.user, "%s", user);
    snprintf(robot.name, sizeof robot.name, "%s", name);
    OK(stl_robot_create(&unit->registry, &robot, token, &err));
}

static int64_t seconds(const char *key)
{
    STL_AUTO_FREE char *text = member(key);
    struct tm tm = {0};
    assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm));
    return timegm(&tm);
}

/* --- forms ---------------------------------------------------------------------------------------------- */

static void what_a_form_is(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *says;
    } cases[] = {
        {"grant_type=password&username=alice&password=secret", 200, "\"token\""},
        {"password=secret&username=alice&grant_type=password&scope=repository:lib/a:pull", 200,
         "repository:lib/a:pull"},
        {"grant_type=password&username=al%69ce&password=secret&x&y=%2B+", 200, "\"token\""},
        {"grant_type=passwords&username=alice&password=secret", 400, "unsupported_grant_type"},
        {"username=alice&password=secret", 400, "unsupported_grant_type"},
        {"grant_type=password&password=secret", 400, "unsupported_grant_type"},
        {"grant_type=password&username=alice", 400, "unsupported_grant_type"},
        {"grant_type=password&username=alice&password=secre", 401, "UNAUTHORIZED"},
        {"grant_type=password&username=ali&password=secret", 401, "UNAUTHORIZED"},
        {"grant_type=password&username=al%6&password=secret", 400, "cannot be decoded"},
        {"grant_type=password&username=alice&password=secret&token=lsx", 400, "create, ls or rm"},
        {"grant_type=password&username=alice&password=secret&token=l", 400, "create, ls or rm"},
        {"grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=x", 400,
         "unsupported_grant_type"},
    };
    struct unit *unit = *state;
    begin_tokens(unit);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = send_body(unit, "POST", "/v2/_token", "CONTENT_TYPE=application/x-www-form-urlencoded\n",
                               cases[i].text);
        if (status != cases[i].status || !says(cases[i].says))
            fail_msg("%s: %d %s", cases[i].text, status, body());
        if (status == 401)
            assert_non_null(strstr(header("WWW-Authenticate"), "Basic"));
        else
            assert_true(status == 400 || header("Cache-Control"));
    }
}

/* --- of a user ------------------------------------------------------------------------------------------ */

static void a_user_makes_tokens(void **state)
{
    struct unit *unit = *state;
    begin_tokens(unit);
    assert_int_equal(form(unit, "alice", "token=create&name=ci&scope=repository:lib/*:pull,push&expires=2h"),
                     201);
    assert_int_equal(seconds("expires") - seconds("created"), 7200);
    STL_AUTO_FREE char *token = member("token"), *id = member("id"), *pattern = member("repository");
    assert_string_equal(pattern, "lib/*");
    assert_true(says("\"pull\",\"push\"]") || says("\"pull\", \"push\" ]"));
    struct stl_robot robot;
    assert_int_equal(stl_robot_find(&unit->registry, token, &robot, &err), 1);
    assert_string_equal(robot.user, "alice");
    assert_int_equal(form(unit, "alice", "token=create&scope=repository:lib/a:pull"), 201);
    assert_int_equal(seconds("expires") - seconds("created"), 30 * DAY);
    assert_int_equal(form(unit, "alice", "token=ls"), 200);
    assert_false(says(token));
    assert_true(says(id));
    STL_AUTO_FREE char *drop = stl_sprintf("token=rm&id=%s", id);
    assert_int_equal(form(unit, "al", drop), 404);
    assert_int_equal(form(unit, "alice2", drop), 404);
    assert_int_equal(form(unit, "alice", drop), 200);
    STL_AUTO_FREE char *gone = member("id");
    assert_string_equal(gone, id);
    assert_int_equal(form(unit, "alice", drop), 404);
    assert_int_equal(stl_robot_find(&unit->registry, token, &robot, &err), 0);
}

/* Who has made and removed which, and who changed what members may. */
static void all_of_it_is_in_the_log(void **state)
{
    static const char *const forms[][2] = {{"token=create&scope=repository:lib/*:pull", "\"token-create\""},
                                           {"token=rm&id=%", "\"token-rm\""},
                                           {"project=a&member=bob&role=guest", "\"member-set\""},
                                           {"project=a&member=bob&role=none", "\"member-rm\""},
                                           {"project=a&token=create&name=ci&role=guest", "\"token-create\""},
                                           {"project=a&token=rm&id=%", "\"token-rm\""}};
    struct unit *unit = *state;
    STL_AUTO_FREE char *id = NULL;
    begin_tokens(unit);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        STL_AUTO_FREE char *fields = client_expand(forms[i][0], '%', id ? id : ""), *log = NULL;
        unit_remove(unit->registry.root.fd, "log/events.jsonl");
        assert_in_range(form(unit, "alice", fields), 200, 201);
        log = unit_read(unit->registry.root.fd, "log/events.jsonl");
        assert_non_null(log);
        assert_true(strstr(log, forms[i][1]) && strstr(log, "\"alice\""));
        if (strstr(fields, "token=create")) {
            free(id);
            id = member("id");
        }
    }
}

static void impossible_tokens(void **state)
{
    static const struct {
        const char *fields;
        int status;
    } cases[] = {
        {"expires=30d&scope=repository:lib/*:pull", 201},
        {"expires=31d&scope=repository:lib/*:pull", 403},
        {"expires=1s&scope=repository:lib/*:pull", 201},
        {"expires=0s&scope=repository:lib/*:pull", 400},
        {"expires=soon&scope=repository:lib/*:pull", 400},
        {"scope=repository:lib/*:pull,pushy", 400},
        {"scope=repository:lib/*:", 400},
        {"scope=repository:lib/*", 400},
        {"scope=repository::pull", 400},
        {"scope=repository:A:pull", 400},
        {"scope=registry:lib/*:pull", 400},
        {"expires=1d", 400},
    };
    struct unit *unit = *state;
    char name[STL_ROBOT_NAME_MAX + 2] = "", pattern[STL_NAME_MAX + 2] = "";
    begin_tokens(unit);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_FREE char *fields = stl_sprintf("token=create&%s", cases[i].fields);
        int status = form(unit, "alice", fields);
        if (status != cases[i].status)
            fail_msg("%s: %d", cases[i].fields, status);
    }
    memset(name, 'n', sizeof name - 1);
    memset(pattern, 'p', sizeof pattern - 1);
    for (int longer = 1; longer >= 0; longer--) {
        STL_AUTO_FREE char *named =
            stl_sprintf("token=create&scope=repository:lib:pull&name=%s", name + !longer);
        assert_int_equal(form(unit, "alice", named), longer ? 400 : 201);
        STL_AUTO_FREE char *scoped = stl_sprintf("token=create&scope=repository:%s:pull", pattern + !longer);
        assert_int_equal(form(unit, "alice", scoped), longer ? 400 : 201);
    }
    assert_int_equal(form(unit, "alice", "token=rm"), 400);
    assert_int_equal(form(unit, "alice", "token=rm&id="), 400);
    unit_settings(unit, "version: 1\n");
    assert_int_equal(form(unit, "alice", "token=ls"), 403);
}

/* By age; what others have does not count. */
static void tokens_have_an_order_and_an_end(void **state)
{
    static const struct {
        const char *user, *name;
        int64_t created;
    } tokens[] = {{"alice", "third", 1700000300},
                  {"alice", "first", 1700000100},
                  {"al", "als", 1700000000},
                  {"alice", "second", 1700000200},
                  {"alice2", "hers", 1700000150}};
    struct unit *unit = *state;
    begin_tokens(unit);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        make_token(unit, tokens[i].user, tokens[i].name, tokens[i].created);
    assert_int_equal(form(unit, "alice", "token=ls"), 200);
    check_names("first second third ");
    assert_int_equal(form(unit, "al", "token=ls"), 200);
    check_names("als ");
    for (int i = 3; i < 99; i++)
        make_token(unit, "alice", "more", 1700000400);
    assert_int_equal(form(unit, "alice", "token=create&scope=repository:lib/a:pull"), 201);
    assert_int_equal(form(unit, "alice", "token=create&scope=repository:lib/a:pull"), 403);
    assert_true(says("you have 100 tokens"));
    assert_int_equal(form(unit, "alice2", "token=create&scope=repository:lib/a:pull"), 201);
    assert_int_equal(form(unit, "alice", "token=rm&id=0"), 400); /* of a hundred hashes, more than one */
}

/* --- of a project --------------------------------------------------------------------------------------- */

static void who_changes_members(void **state)
{
    static const struct {
        const char *user, *fields;
        int status;
        const char *says;
    } steps[] = {
        {"alice", "project=a", 200, "{}"},
        {"alice", "project=a&member=bob&role=guest", 200, "{\"bob\":\"guest\"}"},
        {"al", "project=a", 403, "not an admin"},
        {"al", "project=a&member=al&role=admin", 403, "not an admin"},
        {"alice2", "project=a&member=alice2&role=admin", 403, "not an admin"},
        {"alice", "project=a/b", 403, "not an admin"},
        {"alice", "project=ab", 403, "not an admin"},
        {"alice", "project=none", 403, "not an admin"},
        {"alice", "project=a&member=bob", 400, "belong together"},
        {"alice", "project=a&role=guest", 400, "belong together"},
        {"alice", "project=a&member=bob&role=chief", 400, "chief"},
        {"alice", "project=a&member=bob&role=none", 200, "{}"},
        {"alice", "project=a&member=bob&role=none", 404, "bob"},
    };
    struct unit *unit = *state;
    begin_tokens(unit);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int status = form(unit, steps[i].user, steps[i].fields);
        if (status != steps[i].status || !says(steps[i].says))
            fail_msg("%s %s: %d %s", steps[i].user, steps[i].fields, status, body());
    }
}

static void robots_of_a_project(void **state)
{
    static const struct {
        const char *fields;
        int status;
    } cases[] = {
        {"token=create&name=ci&role=developer&expires=366d", 201},
        {"token=create&name=ci&role=developer&expires=367d", 400},
        {"token=create&name=ci&role=developer&expires=0s", 400},
        {"token=create&name=ci&role=developer&expires=x", 400},
        {"token=create&name=ci", 400},
        {"token=create&role=developer", 400},
        {"token=create&name=ci&role=admin", 400},
        {"token=create&name=c%2Bi&role=guest", 400},
        {"token=create&name=&role=guest", 400},
        {"token=rm", 400},
        {"token=lsx", 400},
    };
    struct unit *unit = *state;
    begin_tokens(unit);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_FREE char *fields = stl_sprintf("project=a&%s", cases[i].fields);
        int status = form(unit, "alice", fields);
        if (status != cases[i].status)
            fail_msg("%s: %d", cases[i].fields, status);
    }
    assert_int_equal(form(unit, "alice", "project=a&token=create&name=ci2&role=guest&expires=1s"), 201);
    assert_int_equal(form(unit, "alice", "project=a&token=create&name=cd&role=guest"), 201);
    assert_int_equal(seconds("expires") - seconds("created"), 90 * DAY);
    STL_AUTO_FREE char *id = member("id"), *robot = member("user"), *drop = stl_sprintf("token=rm&id=%s", id),
                       *ours = stl_sprintf("project=a&%s", drop);
    assert_string_equal(robot, "a+cd");
    assert_int_equal(form(unit, "alice", "project=a&token=ls"), 200);
    assert_true(says("\"a+ci\"") && says("\"a+ci2\"") && says("\"a+cd\"") && !says("stl_"));
    STL_AUTO_FREE char *inner = stl_sprintf("project=a/b&%s", drop),
                       *other = stl_sprintf("project=ab&%s", drop);
    assert_int_equal(form(unit, "al", inner), 400);
    assert_int_equal(form(unit, "alice2", other), 400);
    assert_int_equal(form(unit, "alice", drop), 404); /* it is none of her own */
    assert_int_equal(form(unit, "al", ours), 403);
    assert_int_equal(form(unit, "alice", ours), 200);
    assert_int_equal(form(unit, "alice", "project=a"), 200);
    assert_true(says("a+ci\"") && says("a+ci2\"") && !says("a+cd\""));
    assert_int_equal(form(unit, "alice", "project=a&token=create&name=ci&role=developer"), 201);
    STL_AUTO_FREE char *second = member("id"), *one = stl_sprintf("project=a&token=rm&id=%s", second);
    assert_int_equal(form(unit, "alice", one), 200);
    assert_int_equal(form(unit, "alice", "project=a"), 200);
    assert_true(says("a+ci\"")); /* which has another */
}

/* --- what one may --------------------------------------------------------------------------------------- */

static void the_page_is_told(void **state)
{
    struct unit *unit = *state;
    begin_tokens(unit);
    assert_int_equal(ask(unit, "GET /v2/_about\nHTTP_AUTHORIZATION=Basic YWxpY2U6c2VjcmV0\n\n"), 200);
    STL_AUTO_JSON struct json_object *rights = answer();
    int64_t longest = 0;
    OK(stl_json_int64(rights, "tokens", &longest, &err));
    assert_int_equal(longest, 30 * DAY);
    assert_true(says("\"a/**\"") && says("\"projects\":[\"a\"]"));
    unit_settings(unit, "version: 1\naccess:\n  - {repository: 'lib/**', push: [user]}\n");
    assert_int_equal(ask(unit, "GET /v2/_about\nHTTP_AUTHORIZATION=Basic YWxpY2U6c2VjcmV0\n\n"), 200);
    assert_false(says("tokens") || says("projects"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(what_a_form_is),
        repository_test(a_user_makes_tokens),
        repository_test(all_of_it_is_in_the_log),
        repository_test(impossible_tokens),
        repository_test(tokens_have_an_order_and_an_end),
        repository_test(who_changes_members),
        repository_test(robots_of_a_project),
        repository_test(the_page_is_told),
    };
    int failed = unit_run(tests);
    client_clear(&client);
    return failed;
}
