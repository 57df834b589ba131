/* stillage prune: remove old tags and images by rule. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prune.h"
#include "yaml.h"

enum {
    OPTION_TAGS = 256,
    OPTION_KEEP,
    OPTION_KEEP_NEWEST,
    OPTION_KEEP_YOUNGER,
    OPTION_UNPULLED,
    OPTION_UNTAGGED,
    OPTION_GRACE
};

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {'y', "yes", NULL, "Do it; without --yes, nothing is changed"},
    {OPTION_TAGS, "tags", "PATTERN...", "The tags that the rule applies to"},
    {OPTION_KEEP, "keep", "PATTERN...", "Tags that stay in any case"},
    {OPTION_KEEP_NEWEST, "keep-newest", "NUMBER",
     "Of the other tags, keep this many, those that were pushed last"},
    {OPTION_KEEP_YOUNGER, "keep-younger", "TIME",
     "Also keep those that were pushed within that time: 12h, 30d"},
    {OPTION_UNPULLED, "not-pulled-for", "TIME",
     "Also keep those that were pushed or pulled within that time, as 'stillage log --pulls --record' has "
     "recorded"},
    {OPTION_UNTAGGED, "untagged-older", "TIME",
     "Remove untagged manifests that long after they lost their tag"},
    {OPTION_GRACE, "grace", "TIME",
     "Override the grace period of registry.yaml: what was pushed within it stays"},
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

struct output {
    struct json_object *json; /* NULL: print lines */
    bool quiet;
};

static void print_item(void *context, const struct stl_prune_item *item)
{
    const struct output *output = context;
    char digest[STL_DIGEST_TEXT_MAX];
    stl_digest_format(item->digest, digest);
    if (!output->json) {
        if (!output->quiet)
            printf("%s %s%c%s: %s\n", item->remove ? "remove" : "keep  ", item->name, item->tag ? ':' : '@',
                   item->tag ? item->tag : digest, item->why);
        return;
    }
    struct json_object *object = json_object_new_object();
    stl_json_set_string(object, "name", item->name);
    if (item->tag)
        stl_json_set_string(object, "tag", item->tag);
    stl_json_set_string(object, "digest", digest);
    stl_json_set_flag(object, "remove", item->remove);
    stl_json_set_string(object, "why", item->why);
    json_object_array_add(output->json, object);
}

static void print_unpruned(void *context, const char *name, const struct stl_error *why)
{
    (void)context;
    cmd_warn("%s: nothing in it was removed: %s", name, why->message);
}

struct arguments {
    struct cmd_common common;
    bool has_rule;
    struct stl_prune_rule rule; /* the rule that the options make */
    struct stl_prune_options how;
};

static int parse_count(const char *text, int64_t *number)
{
    char *end;
    *number = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *number < INT32_MAX ? 0 : -1;
}

/* Reads an option that belongs to the rule. */
static int parse_rule(int key, const char *argument, struct stl_prune_rule *rule)
{
    switch (key) {
    case OPTION_TAGS:
        stl_words_add(&rule->tags, argument);
        return 0;
    case OPTION_KEEP:
        stl_words_add(&rule->keep, argument);
        return 0;
    case OPTION_KEEP_NEWEST:
        return parse_count(argument, &rule->keep_newest);
    case OPTION_KEEP_YOUNGER:
        return stl_parse_duration(argument, &rule->keep_younger);
    case OPTION_UNPULLED:
        return stl_parse_duration(argument, &rule->not_pulled_for);
    default:
        return stl_parse_duration(argument, &rule->untagged_older);
    }
}

static int parse_prune(int argc, char **argv, struct arguments *arguments, struct stl_error *err)
{
    for (int key; (key = cmd_next_option(&cmd_prune, argc, argv, &arguments->common)) != -1;) {
        int wrong = 0;
        if (key == 'y')
            arguments->how.apply = true;
        else if (key == OPTION_GRACE)
            wrong = stl_parse_duration(optarg, &arguments->how.grace);
        else {
            arguments->has_rule = true;
            wrong = parse_rule(key, optarg, &arguments->rule);
        }
        if (wrong)
            return stl_error_set(err, STL_USAGE,
                                 key == OPTION_KEEP_NEWEST ? "'%s' is not a number"
                                                           : "'%s' is not a time such as 12h or 30d",
                                 optarg);
    }
    const struct stl_prune_rule *rule = &arguments->rule;
    if (arguments->has_rule && !stl_prune_rule_removes_tags(rule) && rule->untagged_older < 0)
        return stl_error_set(err, STL_USAGE,
                             "give --keep-newest, --keep-younger, --not-pulled-for or --untagged-older");
    return 0;
}

static void print_result(const struct stl_prune_result *result, bool applied)
{
    printf("%s %ju tag%s and %ju manifest%s of %ju repositories; %ju tag%s stay%s\n",
           applied ? "removed" : "would remove", (uintmax_t)result->tags_removed,
           result->tags_removed == 1 ? "" : "s", (uintmax_t)result->manifests_removed,
           result->manifests_removed == 1 ? "" : "s", (uintmax_t)result->repositories,
           (uintmax_t)result->tags_kept, result->tags_kept == 1 ? "" : "s",
           result->tags_kept == 1 ? "s" : "");
    if (!applied && (result->tags_removed || result->manifests_removed))
        puts("nothing was changed: repeat it with --yes");
}

static int prune(struct arguments *arguments, char **names, int count, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_FREE struct stl_name *parsed = stl_alloc((size_t)count * sizeof *parsed);
    STL_AUTO_JSON struct json_object *json = arguments->common.json ? json_object_new_array() : NULL;
    struct output output = {json, arguments->common.quiet};
    struct stl_prune_rules own = {&arguments->rule, 1};
    struct stl_prune_options how = arguments->how;
    struct stl_prune_result result;
    STL_AUTO_PULLS struct stl_pulls pulls = {0};
    STL_AUTO_CLOSE int writing = -1;
    for (int i = 0; i < count; i++)
        if (stl_name_parse(names[i], &parsed[i], err))
            return -1;
    if (how.apply ? cmd_open_registry_to_write(&registry, arguments->common.registry, false, &writing, err)
                  : cmd_open_registry(&registry, arguments->common.registry, err))
        return -1;
    how.rules = arguments->has_rule ? &own : &registry.settings.prune;
    if (!how.rules->count)
        return stl_error_set(err, STL_USAGE,
                             "there is no rule: write one into registry.yaml (prune:), or give "
                             "--keep-newest, --keep-younger, --not-pulled-for or --untagged-older");
    if (how.grace < 0)
        how.grace = registry.settings.retention.grace;
    for (size_t i = 0; i < how.rules->count; i++)
        if (how.rules->items[i].not_pulled_for >= 0 && !pulls.last && stl_pulls_load(&registry, &pulls, err))
            return -1;
    how.pulls = &pulls;
    how.names = parsed;
    how.name_count = (size_t)count;
    how.item = print_item;
    how.problem = print_unpruned;
    how.context = &output;
    if (stl_prune(&registry, &how, &result, err))
        return -1;
    if (json)
        cmd_print_json(json);
    else if (!arguments->common.quiet)
        print_result(&result, how.apply);
    return result.problems ? 1 : 0;
}

static int run_prune(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct arguments arguments = {.rule = STL_PRUNE_RULE_INIT, .how = {.grace = -1}};
    int result = parse_prune(argc, argv, &arguments, &err);
    if (result == 0)
        result = prune(&arguments, argv + optind, argc - optind, &err);
    stl_prune_rule_clear(&arguments.rule);
    return result < 0 ? cmd_fail(&err) : result;
}

const struct cmd_command cmd_prune = {
    .name = "prune",
    .run = run_prune,
    .arguments = "[NAME...]",
    .summary = "Remove old tags and images by rule",
    .description =
        "Removes tags by the rules in registry.yaml (prune:), or by a single rule given as options; in the "
        "repositories NAME, or in all. Without --yes it changes nothing, and prints what it would do and "
        "why.\n\n"
        "A tag stays if it matches --keep, is one of the newest, is young enough, was pulled lately, or is "
        "immutable. --not-pulled-for removes nothing until the pulls of all that time are known, and those of the "
        "last week. A tag "
        "that is removed takes its image with it: the manifest, the platforms of an index, signatures and "
        "whatever else refers to it, unless something that stays needs them. A tag counts as pushed when "
        "it was last set, even to the same image.\n\n"
        "Nothing that was pushed within the grace period is removed. What is removed can be restored with "
        "'stillage restore' for as long as registry.yaml says; after that, 'stillage gc' frees the space.",
    .options = options,
    .examples = "  stillage prune                                       what the rules would do\n"
                "  stillage prune --yes --quiet                         from cron\n"
                "  stillage prune --tags 'pr-*' --keep-younger 14d ci/app\n"
                "  stillage prune --not-pulled-for 90d\n"
                "  stillage prune --untagged-older 7d",
};
