/* SPDX-License-Identifier: MIT */
/* A backend in a shared library: a few hundred entries in the memory of the process.
 *
 *   cc -shared -fPIC -I<where dcache is installed>/include shelf.c -o shelf.so
 *
 * then `load_plugin("./shelf.so")` and the URL `shelf:`. What it does not need of the interface it
 * does not mention; what it keeps is one list for all that are opened. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dcache/plugin.h"

struct entry {
  struct entry* next;
  size_t key_size, value_size;
  char bytes[]; /* The key, then the value. */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry* shelf = NULL;

struct store {
  const struct dcache_host* host;
  int closed;
};

static struct entry** find(struct dcache_bytes key) {
  struct entry** at = &shelf;
  while (*at != NULL &&
         ((*at)->key_size != key.size || memcmp((*at)->bytes, key.data, key.size) != 0)) {
    at = &(*at)->next;
  }
  return at;
}

static void erase(struct entry** at) {
  struct entry* gone = *at;
  *at = gone->next;
  free(gone);
}

static int put(const struct dcache_question* question) {
  struct entry* made = malloc(sizeof *made + question->key.size + question->value.size);
  struct entry** old = find(question->key);
  if (made == NULL) return 0;
  made->key_size = question->key.size;
  made->value_size = question->value.size;
  memcpy(made->bytes, question->key.data, question->key.size);
  memcpy(made->bytes + made->key_size, question->value.data, question->value.size);
  if (*old != NULL) erase(old);
  made->next = shelf;
  shelf = made;
  return 1;
}

/* 0: out of memory. */
static int answer(const struct dcache_host* host, struct dcache_op* op, size_t item) {
  const struct dcache_question question = host->question(op, item);
  const struct dcache_bytes nothing = {"", 0};
  struct entry** at = find(question.key);
  switch (host->verb(op)) {
    case DCACHE_GET:
    case DCACHE_ADD:
      if (*at != NULL) {
        const struct dcache_bytes value = {(*at)->bytes + (*at)->key_size, (*at)->value_size};
        host->answer(op, item, DCACHE_FOUND, value, 0);
        return 1;
      }
      if (host->verb(op) == DCACHE_GET) {
        host->answer(op, item, DCACHE_MISSING, nothing, 0);
        return 1;
      }
      /* fall through: nothing is there, so it is put. */
    case DCACHE_PUT:
      if (!put(&question)) return 0;
      host->answer(op, item, DCACHE_DONE, nothing, 0);
      return 1;
    case DCACHE_ERASE:
      if (*at != NULL) erase(at);
      host->answer(op, item, DCACHE_DONE, nothing, 0);
      return 1;
    default:
      return 0; /* Leases, which it does not declare. */
  }
}

static void submit(void* self, struct dcache_op* op) {
  const struct store* store = self;
  const struct dcache_host* host = store->host;
  int fine = !store->closed;
  size_t item;
  pthread_mutex_lock(&lock);
  for (item = 0; fine && item < host->count(op); ++item) fine = answer(host, op, item);
  pthread_mutex_unlock(&lock);
  if (fine) {
    host->complete(op);
  } else {
    host->fail(op, store->closed ? "shelf: it is closed" : "shelf: out of memory", 1);
  }
}

static int check(void* self, char* why, size_t why_size) {
  (void)self;
  (void)why;
  (void)why_size;
  return 0;
}

static void close_store(void* self) { ((struct store*)self)->closed = 1; }

static int open_store(const struct dcache_host* host, const char* url,
                      struct dcache_backend* backend, char* why, size_t why_size) {
  struct store* store;
  if (strcmp(url, "shelf:") != 0) {
    strncpy(why, "expected shelf: and nothing else", why_size);
    return 1;
  }
  store = malloc(sizeof *store);
  if (store == NULL) return 1;
  store->host = host;
  store->closed = 0;
  backend->self = store;
  backend->capabilities = DCACHE_SHARED | DCACHE_LOCAL | DCACHE_ADDS;
  backend->budget_ms = 100;
  backend->submit = submit;
  backend->check = check;
  backend->close = close_store;
  backend->destroy = free;
  return 0;
}

const struct dcache_plugin* dcache_plugin(void) {
  static const struct dcache_plugin plugin = {DCACHE_PLUGIN_VERSION, "shelf", open_store};
  return &plugin;
}
