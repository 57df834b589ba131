/* The files of tokens, a robot's and a bearer token's. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bearer.h"
#include "fuzz.h"
#include "robot.h"
#include "scratch.h"

enum { ALL_ACTIONS = (1u << STL_ACTIONS) - 1 };

static char robot_token[STL_ROBOT_TOKEN], robot_path[96];
static char bearer_token[STL_BEARER_TEXT], bearer_path[128];

static int find_robot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)context;
    (void)type;
    (void)err;
    snprintf(robot_path, sizeof robot_path, "auth/robots/%.64s", name);
    return 0;
}

static void issue(const struct stl_registry *registry)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_robot robot = {.user = "alice", .repository = "**", .actions = ALL_ACTIONS};
    struct stl_identity alice = {.user = "alice"};
    int64_t expires;
    scratch_reset();
    scratch_settings("version: 1\nauth:\n  token-life: 1h\n");
    EXPECT(stl_robot_create(registry, &robot, robot_token, &err) == 0);
    EXPECT(stl_dir_each(registry->root.fd, "auth/robots", find_robot, NULL, &err) == 0);
    EXPECT(stl_bearer_issue(registry, &alice, NULL, 0, false, bearer_token, &expires, &err) == 0);
    snprintf(bearer_path, sizeof bearer_path, "auth/tokens/%.8s/%s", bearer_token, bearer_token);
}

static void try_robot(const struct stl_registry *registry)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_robot robot;
    int found = stl_robot_find(registry, robot_token, &robot, &err);
    if (found < 0) {
        EXPECT(err.code && err.message[0]);
        return;
    }
    EXPECT(stl_user_name_check(robot.user, &err) == 0 && stl_pattern_check(robot.repository, &err) == 0);
    EXPECT(!(robot.actions & ~ALL_ACTIONS));
    EXPECT(found == (robot.expires == 0 || robot.expires > time(NULL)));
}

static void try_bearer(const struct stl_registry *registry)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_identity who;
    int found = stl_bearer_find(registry, bearer_token, &who, &err);
    if (found < 0)
        EXPECT(err.code && !strstr(err.message, bearer_token));
    EXPECT(found != 0 || !who.user[0]);
    stl_access_allows(registry, &who, "team/app", STL_PUSH);
    stl_access_lists(registry, &who, "team/app");
    stl_identity_clear(&who);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static size_t runs;
    const struct stl_registry *registry = scratch_registry();
    if (runs++ % 100000 == 0)
        issue(registry);
    if (size > 16384)
        return 0;
    scratch_write(robot_path, data, size);
    scratch_write(bearer_path, data, size);
    try_robot(registry);
    try_bearer(registry);
    return 0;
}
