// cJSON and zlib: documents are made, printed, compressed, decompressed, parsed and searched.
#include "cJSON.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static unsigned seed = 42;
static unsigned random_below(unsigned n) {
  seed = seed * 1664525 + 1013904223;
  return (seed >> 8) % n;
}

static cJSON *make_document(int number) {
  cJSON *document = cJSON_CreateObject();
  cJSON_AddNumberToObject(document, "number", number);
  cJSON *items = cJSON_AddArrayToObject(document, "items");
  for (int i = 0; i < 150; i++) {
    char name[64];
    snprintf(name, sizeof name, "item %u of %d", random_below(1000), number);
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "name", name);
    cJSON_AddNumberToObject(item, "price", random_below(10000) / 100.0);
    cJSON_AddBoolToObject(item, "sold", i % 3 == 0);
    cJSON_AddItemToArray(items, item);
  }
  return document;
}

int main(void) {
  enum { COUNT = 150 };
  unsigned char *packed[COUNT];
  uLongf packed_length[COUNT];
  uLong length[COUNT];
  uLong all = 0, small = 0;
  for (int i = 0; i < COUNT; i++) {
    cJSON *document = make_document(i);
    char *text = i % 2 ? cJSON_Print(document) : cJSON_PrintUnformatted(document);
    length[i] = strlen(text) + 1;
    packed_length[i] = compressBound(length[i]);
    packed[i] = malloc(packed_length[i]);
    if (compress2(packed[i], &packed_length[i], (unsigned char *)text, length[i], 1) != Z_OK) return 1;
    packed[i] = realloc(packed[i], packed_length[i]);
    all += length[i];
    small += packed_length[i];
    free(text);
    cJSON_Delete(document);
  }
  printf("%lu bytes, compressed %lu\n", all, small);
  double sold = 0;
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < COUNT; i++) {
      char *text = malloc(length[i]);
      uLongf size = length[i];
      if (uncompress((unsigned char *)text, &size, packed[i], packed_length[i]) != Z_OK) return 2;
      cJSON *document = cJSON_Parse(text);
      free(text);
      cJSON *item;
      cJSON_ArrayForEach(item, cJSON_GetObjectItem(document, "items")) {
        if (cJSON_IsTrue(cJSON_GetObjectItem(item, "sold"))) sold += cJSON_GetObjectItem(item, "price")->valuedouble;
      }
      cJSON_Delete(document);
    }
  }
  printf("sold for %.2f\n", sold);
  for (int i = 0; i < COUNT; i++) free(packed[i]);
  return 0;
}
