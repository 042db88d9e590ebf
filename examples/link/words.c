// A program that its author compiled long ago, with the allocator of its libc.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  char *words[100] = {0};
  unsigned seed = 1;
  unsigned long letters = 0;
  for (int i = 0; i < 100000; i++) {
    seed = seed * 1664525 + 1013904223;
    char **word = &words[(seed >> 10) % 100];
    size_t length = (seed >> 20) % 300;
    *word = realloc(*word, length + 1);
    memset(*word, 'x', length);
    (*word)[length] = 0;
    letters += strlen(*word);
  }
  for (int i = 0; i < 100; i++) free(words[i]);
  printf("%lu letters\n", letters);
  return 0;
}
