// The canonical ABI by hand: the caller's string is put where cabi_realloc says, the result is freed by cabi_post_greet.
#include <stdio.h>
#include <stdlib.h>

struct string {
  char *bytes;
  size_t length;
};

__attribute__((export_name("greet"))) struct string *greet(char *name, size_t length) {
  static struct string result;
  result.length = asprintf(&result.bytes, "hello, %.*s", (int)length, name);
  if (length > 0) free(name); // an empty string has no memory
  return &result;
}

__attribute__((export_name("cabi_post_greet"))) void free_greeting(struct string *result) { free(result->bytes); }
