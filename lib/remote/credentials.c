#include "credentials.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

static void erase(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void stl_credentials_clear(struct stl_credentials *credentials)
{
    erase(&credentials->user);
    erase(&credentials->password);
    erase(&credentials->identity_token);
    erase(&credentials->registry_token);
}

static char *copy(const char *text)
{
    return text ? stl_strdup(text) : NULL;
}

void stl_credentials_copy(struct stl_credentials *to, const struct stl_credentials *from)
{
    *to = (struct stl_credentials){copy(from->user), copy(from->password), copy(from->identity_token),
                                   copy(from->registry_token)};
}

char *stl_credentials_basic(const char *user, const char *password)
{
    STL_AUTO_FREE char *plain = stl_sprintf("%s:%s", user, password);
    size_t length = strlen(plain);
    char *text = stl_alloc(sizeof "Basic " + 4 * (length / 3 + 1));
    memcpy(text, "Basic ", strlen("Basic "));
    EVP_EncodeBlock((unsigned char *)text + strlen("Basic "), (const unsigned char *)plain, (int)length);
    explicit_bzero(plain, length);
    return text;
}

/* USER:PASSWORD in base64. */
static int decode_basic(const char *text, struct stl_credentials *found, struct stl_error *err)
{
    size_t length = strlen(text);
    STL_AUTO_FREE unsigned char *plain = stl_alloc(length + 4);
    int decoded = EVP_DecodeBlock(plain, (const unsigned char *)text, (int)length);
    char *colon = decoded > 0 ? strchr((char *)plain, ':') : NULL;
    if (!colon)
        return stl_error_set(err, STL_INVALID, "auth is not USER:PASSWORD in base64");
    *colon = '\0';
    found->user = stl_strdup((char *)plain);
    found->password = stl_strdup(colon + 1);
    explicit_bzero(plain, length);
    return 0;
}

/* --- keys ----------------------------------------------------------------------------------------------- */

const char *stl_credentials_key(const char *host)
{
    return strcmp(host, "docker.io") ? host : "https://index.docker.io/v1/";
}

/* How well a key fits: its length, or 0. It may be a URL, as docker writes some, or go on with a part of
 * the name. */
static size_t match_key(const char *key, const char *host, const char *name)
{
    const char *scheme = strstr(key, "://");
    const char *text = scheme ? scheme + 3 : key;
    if (!strcmp(host, "docker.io") && !strncmp(text, "index.docker.io", strlen("index.docker.io")))
        text += strlen("index.");
    size_t length = strlen(host);
    if (strncasecmp(text, host, length))
        return 0;
    const char *rest = text + length;
    if (!*rest || !strcmp(rest, "/") || !strcmp(rest, "/v1/") || !strcmp(rest, "/v2/") ||
        !strcmp(rest, "/v1") || !strcmp(rest, "/v2"))
        return length;
    size_t part = strlen(rest + 1);
    bool inside = *rest == '/' && !strncmp(name, rest + 1, part) && (!name[part] || name[part] == '/');
    return inside ? length + 1 + part : 0;
}

static struct json_object *entry_for(struct json_object *map, const char *host, const char *name,
                                     const char **key)
{
    struct json_object *best = NULL;
    size_t longest = 0;
    json_object_object_foreach(map, candidate, value)
    {
        size_t length = match_key(candidate, host, name);
        if (length > longest) {
            longest = length;
            best = value;
            *key = candidate;
        }
    }
    return best;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int read_entry(struct json_object *entry, struct stl_credentials *found, struct stl_error *err)
{
    const char *auth = "", *user = "", *password = "", *identity = "", *registry = "";
    if (!json_object_is_type(entry, json_type_object))
        return 0;
    if (stl_json_string(entry, "auth", &auth, err) || stl_json_string(entry, "username", &user, err) ||
        stl_json_string(entry, "password", &password, err) ||
        stl_json_string(entry, "identitytoken", &identity, err) ||
        stl_json_string(entry, "registrytoken", &registry, err))
        return -1;
    if (*auth && decode_basic(auth, found, err))
        return -1;
    if (!*auth && *user) {
        found->user = stl_strdup(user);
        found->password = stl_strdup(password);
    }
    if (*identity)
        found->identity_token = stl_strdup(identity);
    if (*registry)
        found->registry_token = stl_strdup(registry);
    return found->user || found->identity_token || found->registry_token;
}

/* A helper is a part of a program's name. */
static bool is_helper(const char *text)
{
    return *text &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(text);
}

int stl_credentials_find(struct json_object *config, const char *host, const char *name,
                         struct stl_credentials *found, char **helper, char **server, struct stl_error *err)
{
    struct json_object *auths = NULL, *helpers = NULL, *entry = NULL;
    const char *store = "", *key = stl_credentials_key(host);
    *found = (struct stl_credentials){0};
    if (stl_json_object(config, "auths", &auths, err) ||
        stl_json_object(config, "credHelpers", &helpers, err) ||
        stl_json_string(config, "credsStore", &store, err))
        return -1;
    entry = helpers ? entry_for(helpers, host, name, &key) : NULL;
    if (json_object_is_type(entry, json_type_string))
        store = json_object_get_string(entry);
    else {
        entry = auths ? entry_for(auths, host, name, &key) : NULL;
        int result = entry ? read_entry(entry, found, err) : 0;
        if (result < 0)
            stl_credentials_clear(found);
        if (result)
            return result;
    }
    if (!is_helper(store))
        return 0;
    *helper = stl_strdup(store);
    *server = stl_strdup(key);
    return 2;
}

char *stl_credentials_helper(struct json_object *config, const char *host)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *helpers = NULL;
    const char *store = "", *key = NULL;
    if (stl_json_string(config, "credsStore", &store, &ignored) ||
        stl_json_object(config, "credHelpers", &helpers, &ignored))
        return NULL;
    struct json_object *entry = helpers ? entry_for(helpers, host, "", &key) : NULL;
    if (json_object_is_type(entry, json_type_string))
        store = json_object_get_string(entry);
    return is_helper(store) ? stl_strdup(store) : NULL;
}

int stl_credentials_parse_helper(const char *text, size_t length, struct stl_credentials *found,
                                 struct stl_error *err)
{
    const char *user = "", *secret = "";
    STL_AUTO_JSON struct json_object *answer = stl_json_parse(text, length, err);
    *found = (struct stl_credentials){0};
    if (!answer || stl_json_string(answer, "Username", &user, err) ||
        stl_json_string(answer, "Secret", &secret, err))
        return -1;
    if (!strcmp(user, "<token>"))
        found->identity_token = stl_strdup(secret);
    else {
        found->user = stl_strdup(user);
        found->password = stl_strdup(secret);
    }
    return 0;
}

/* --- writing -------------------------------------------------------------------------------------------- */

bool stl_credentials_set(struct json_object *config, const char *host,
                         const struct stl_credentials *credentials)
{
    struct json_object *auths = NULL;
    const char *key = stl_credentials_key(host);
    if (!json_object_object_get_ex(config, "auths", &auths)) {
        if (!credentials)
            return false;
        auths = json_object_new_object();
        json_object_object_add(config, "auths", auths);
    }
    bool was_there = json_object_object_get_ex(auths, key, NULL);
    json_object_object_del(auths, key);
    if (!credentials)
        return was_there;
    struct json_object *entry = json_object_new_object();
    char *basic = stl_credentials_basic(credentials->user, credentials->password);
    stl_json_set_string(entry, "auth", basic + strlen("Basic "));
    erase(&basic);
    json_object_object_add(auths, key, entry);
    return was_there;
}
