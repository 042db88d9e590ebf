// The canonical ABI by hand: the caller's string is put where cabi_realloc says, the result is freed by cabi_post_greet.
#include <stdio.h>
#include <stdlib.h>

struct string {
  char *bytes;
  size_t length;
};

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *block, size_t old_size, size_t alignment, size_t size) {
  if (size == 0) return (void *)alignment; // what has no size needs no memory
  void *moved = realloc(block, size);
  if (!moved) abort(); // a caller can do nothing about failure
  return moved;
}

__attribute__((export_name("greet"))) struct string *greet(char *name, size_t length) {
  static struct string result;
  int printed = asprintf(&result.bytes, "hello, %.*s", (int)length, name);
  if (printed < 0) abort();
  result.length = printed;
  if (length > 0) free(name); // an empty string has no memory
  return &result;
}

__attribute__((export_name("cabi_post_greet"))) void free_greeting(struct string *result) { free(result->bytes); }
