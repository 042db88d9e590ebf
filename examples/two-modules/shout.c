// Takes a string that another module has made, returns a new one and frees the old.
void *malloc(unsigned long size);
void free(void *block);

__attribute__((export_name("shout"))) char *shout(char *text) {
  unsigned long count = 0;
  while (text[count]) count++;
  char *loud = malloc(count + 2);
  for (unsigned long i = 0; i < count; i++) loud[i] = text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i];
  loud[count] = '!';
  loud[count + 1] = 0;
  free(text);
  return loud;
}
