#include <stdio.h>
#include <string.h>

#include "outgoing.h"
#include "scripted.h"
#include "unit.h"

#define NOT_THERE ANSWER("404 None", "", "")
#define PLACE(where) ANSWER("202 Accepted", "Location: " where "\r\n", "")
#define HERE ANSWER("200 OK", "", "")
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define CREATED ANSWER("201 Created", "", "")

/* Pushes the image lib/app:v1, which has two blobs, over one connection after the other. */
static int push(struct unit *unit, struct server *server, const char *const *answers,
                struct stl_outgoing_report *report)
{
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    begin(server, answers, 1);
    OK(stl_selection_add(&selection, "lib/app:v1", &err));
    OK(stl_remote_open(&remote,
                       &(struct stl_remote_options){
                           .host = server->host,
                           .plain = true,
                           .http = {.backoff = 1, .parallel = 1},
                           .credentials = &(struct stl_credentials){.user = "me", .password = "word"}},
                       &err));
    const struct stl_outgoing_options options = {.remote = &remote, .selection = &selection};
    return stl_outgoing_send(&unit->registry, &options, report, &err);
}

static void a_cut_upload_begins_anew(void **state)
{
    struct unit *unit = *state;
    struct server server;
    struct stl_outgoing_report report;
    static const char *const answers[] = {NOT_THERE, /* the tag */
                                          NOT_THERE, /* the manifest */
                                          NOT_THERE,
                                          PLACE("/v2/lib/app/blobs/uploads/1"),
                                          "", /* cut */
                                          PLACE("uploads/2?x=y"),
                                          CREATED,
                                          HERE, /* the other blob */
                                          CREATED,
                                          NULL};
    unit_push(&unit->repo, "one", "v1");
    OK(push(unit, &server, answers, &report));
    has(&server, 0, "HEAD /v2/lib/app/manifests/v1 ");
    has(&server, 4, "PUT /v2/lib/app/blobs/uploads/1?digest=sha256%3A");
    has(&server, 5, "POST /v2/lib/app/blobs/uploads/ ");
    has(&server, 6, "PUT /v2/lib/app/blobs/uploads/uploads/2?x=y&digest=sha256%3A");
    has(&server, 8, "PUT /v2/lib/app/manifests/v1 ");
    assert_int_equal(report.blobs, 1);
    assert_int_equal(report.count, 1);
    assert_false(report.items[0].there);
    stl_outgoing_report_clear(&report);
    end(&server, 9);
}

/* An upload may go to another host, but the password does not. */
static void a_place_elsewhere(void **state)
{
    struct unit *unit = *state;
    struct server server, elsewhere;
    struct stl_outgoing_report report;
    char place[128] = "?";
    const char *const answers[] = {ANSWER("401 No", "WWW-Authenticate: Basic realm=\"x\"\r\n", ""),
                                   NOT_THERE,
                                   NOT_THERE,
                                   NOT_THERE,
                                   place,
                                   NULL};
    unit_push(&unit->repo, "one", "v1");
    begin(&elsewhere, (const char *const[]){ANSWER("403 No", "", ""), NULL}, 1);
    snprintf(place, sizeof place, PLACE("http://%s/x"), elsewhere.host);
    FAILS(STL_DENIED, push(unit, &server, answers, &report));
    has(&server, 4, "Authorization: Basic");
    has(&elsewhere, 0, "PUT /x?digest=");
    lacks(&elsewhere, 0, "Authorization");
    stl_outgoing_report_clear(&report);
    end(&server, 5);
    end(&elsewhere, 1);
}

/* What is there has to be what is here. */
static void another_manifest_there(void **state)
{
    struct unit *unit = *state;
    struct server server;
    struct stl_outgoing_report report;
    unit_push(&unit->repo, "one", "v1");
    FAILS(STL_DIGEST_INVALID, push(unit, &server,
                                   (const char *const[]){NOT_THERE, NOT_THERE, HERE, HERE,
                                                         ANSWER("201 Created",
                                                                "Docker-Content-Digest: "
                                                                "sha256:" ZEROS "\r\n",
                                                                ""),
                                                         NULL},
                                   &report));
    assert_non_null(
        strstr(err.message, "/lib/app:v1: the registry has stored another manifest, sha256:" ZEROS));
    stl_outgoing_report_clear(&report);
    end(&server, 5);
}

static void places_that_are_none(void **state)
{
    struct unit *unit = *state;
    static const char *const places[] = {PLACE("file:///etc/passwd"), PLACE("ftp://127.0.0.1/x"),
                                         PLACE("http://me:word@127.0.0.1/x"), ANSWER("202 Accepted", "", "")};
    unit_push(&unit->repo, "one", "v1");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct server server;
        struct stl_outgoing_report report;
        FAILS(STL_INVALID,
              push(unit, &server, (const char *const[]){NOT_THERE, NOT_THERE, NOT_THERE, places[i], NULL},
                   &report));
        assert_non_null(strstr(err.message, "where to upload to"));
        assert_null(strstr(err.message, "word"));
        stl_outgoing_report_clear(&report);
        end(&server, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(a_cut_upload_begins_anew),
        repository_test(a_place_elsewhere),
        repository_test(another_manifest_there),
        repository_test(places_that_are_none),
    };
    return unit_run(tests);
}
