/* SPDX-License-Identifier: MIT */
/* A backend in a shared library of its own: the binary interface, in C.
 *
 * The library exports one function, `dcache_plugin`, which says what scheme it opens and how. dcache
 * hands operations to what it opens; each is answered item by item and then completed exactly once:
 * at once, or later from any thread. No exception crosses in either direction.
 *
 *   const struct dcache_plugin* dcache_plugin(void);
 *
 * Loaded by `dcache::engine::load_plugin(path)`, or in Python by `dcache.backends.load_plugin(path)`.
 * `dcache::testing::backend_checks()` tells whether a backend does what it has to.
 *
 * Numbers here are never changed or used anew; a structure grows at its end, with a new version. A
 * plugin that was built with an older version of this file goes on to work.
 */
#ifndef DCACHE_PLUGIN_H
#define DCACHE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

/* As C names things. NOLINTBEGIN(readability-identifier-naming,modernize-*) */

#ifdef __cplusplus
extern "C" {
#endif

#define DCACHE_PLUGIN_VERSION 3U

/* What is asked. See `dcache/engine/operation.hpp` for what each means. */
enum dcache_verb {
  DCACHE_GET = 0,
  DCACHE_PUT = 1,
  DCACHE_ERASE = 2,
  DCACHE_ADD = 3,
  DCACHE_LEASE = 4,
  DCACHE_WATCH = 5,
  DCACHE_FILL = 6,
  DCACHE_RELEASE = 7
};

/* What is answered. */
enum dcache_reply {
  DCACHE_FOUND = 1,
  DCACHE_MISSING = 2,
  DCACHE_DONE = 3,
  DCACHE_BUSY = 4,
  DCACHE_REFUSED = 5
};

/* What `check` says of a mistake in the setting up; from version 2 on. */
enum { DCACHE_NEVER = 2 };

/* What a store can do; a sum. */
enum dcache_capability {
  DCACHE_SHARED = 1, /* Other processes see what this one writes. */
  DCACHE_LOCAL = 2,  /* Operations complete within `submit`. */
  DCACHE_ADDS = 4,
  DCACHE_LEASES = 8
};

struct dcache_bytes {
  const char* data; /* Not ended by a zero. */
  size_t size;
};

struct dcache_question {
  struct dcache_bytes key;   /* Printable ASCII, 1 to 250 characters. */
  struct dcache_bytes value; /* Of put, add, fill, and of lease if it looks. */
  int64_t expires;           /* Microseconds since 1970; INT64_MAX: never. */
  uint64_t token;            /* Of fill and release. */
  int kills;                 /* Of fill, nonzero: other tokens of the key are dead then. */
  int looks;                 /* Of lease, nonzero: found, unless what is there ends with value. */
};

/* An operation. Its questions are valid until it is completed. */
struct dcache_op;

/* What dcache does for a plugin; thread-safe, valid as long as the process. */
struct dcache_host {
  uint32_t version;
  enum dcache_verb (*verb)(const struct dcache_op* op);
  size_t (*count)(const struct dcache_op* op);
  struct dcache_question (*question)(const struct dcache_op* op, size_t item);
  /* Nonzero: nobody waits any more. */
  int (*abandoned)(const struct dcache_op* op);
  /* The value is copied. Before `complete`, once for each item. */
  void (*answer)(struct dcache_op* op, size_t item, enum dcache_reply reply,
                 struct dcache_bytes value, uint64_t token);
  /* Either of these ends it; the operation must not be touched after. */
  void (*complete)(struct dcache_op* op);
  /* `why`: text for people, without secrets; copied. `reachable`: the store is there and said no. */
  void (*fail)(struct dcache_op* op, const char* why, int reachable);

  /* From version 2 on. */

  /* The third of them: it can never work, as it is set up, and the call says so. */
  void (*refuse)(struct dcache_op* op, const char* why);
  /* Microseconds until nobody waits for it any more; INT64_MAX: there is no bound. */
  int64_t (*time_left)(const struct dcache_op* op);
};

/* One store. `self` is the plugin's own and is handed back. Functions may be called from any thread
 * at the same time, except `destroy`, which is the last. */
struct dcache_backend {
  void* self;
  uint32_t capabilities;
  uint32_t budget_ms; /* What a call may wait for it in all. */
  void (*submit)(void* self, struct dcache_op* op);
  /* 0: it works; else it does not, and `why` says so, ended by a zero. DCACHE_NEVER: nor will it, as
   * it is set up. */
  int (*check)(void* self, char* why, size_t why_size);
  void (*close)(void* self);
  void (*destroy)(void* self);

  /* From version 3 on. 0: as long as most. */

  uint32_t near_ttl_ms; /* Nearer tiers may serve so long what others may have changed: 5 s. */
  uint32_t mark_ttl_ms; /* A mark that was read counts so long: 1 s. */
};

struct dcache_plugin {
  uint32_t version;   /* DCACHE_PLUGIN_VERSION it was built with. */
  const char* scheme; /* Of the URLs that it opens. */
  /* Makes a store, without I/O. 0: done; else `why` says what is wrong with the URL. */
  int (*open)(const struct dcache_host* host, const char* url, struct dcache_backend* backend,
              char* why, size_t why_size);
};

#ifdef __cplusplus
}
#endif

/* NOLINTEND(readability-identifier-naming,modernize-*) */

#endif
