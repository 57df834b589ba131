/*
 * Numbers about a registry in Prometheus' text format, for node_exporter's textfile collector.
 *
 * How often each kind of event happened is a counter that must not go back when old events are thrown away.
 * So it continues from the text of the previous run, in which a comment says how far that run has read.
 */
#ifndef STL_METRICS_H
#define STL_METRICS_H

#include "access-log.h"
#include "registry.h"

/* Adds the text. `before` is that of the run before, or NULL; one of another registry is ignored. `answers`
 * are the requests of access logs, or NULL. Takes time for each tag, manifest, and blob. */
int stl_metrics_write(const struct stl_registry *registry, const char *before,
                      const struct stl_access_log_seen *answers, struct stl_buf *text, struct stl_error *err);

#endif
