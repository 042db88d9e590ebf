// QuickJS, running a script with objects, closures, regular expressions, JSON and garbage.
#include "quickjs.h"
#include <stdio.h>
#include <string.h>

static JSValue print(JSContext *context, JSValueConst self, int count, JSValueConst *values) {
  for (int i = 0; i < count; i++) {
    const char *text = JS_ToCString(context, values[i]);
    printf("%s%s", i ? " " : "", text);
    JS_FreeCString(context, text);
  }
  putchar('\n');
  return JS_UNDEFINED;
}

static const char script[] =
    "let seed = 42\n"
    "const random = (n) => (seed = (seed * 16807) % 2147483647) % n\n"
    "const people = []\n"
    "for (let i = 0; i < 15000; i++) people.push({ id: i, name: 'name ' + random(5000), tags: ['a' + random(9), 'b' + random(99)], at: { x: random(1000), y: i / 2 } })\n"
    "const text = JSON.stringify(people)\n"
    "const copy = JSON.parse(text)\n"
    "print(text.length, JSON.stringify(copy) === text)\n"
    "const groups = new Map()\n"
    "for (const person of copy) { const key = person.tags.join('/'); if (!groups.has(key)) groups.set(key, []); groups.get(key).push(person) }\n"
    "const sorted = [...groups].sort((a, b) => b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1))\n"
    "print(sorted.length, sorted[0][0], sorted[0][1].length)\n"
    "let found = 0\n"
    "for (const match of text.matchAll(/\"name (\\d+)\"/g)) if (match[1].includes('42')) found++\n"
    "print(found, text.split('b7').length, text.replace(/a(\\d)/g, (_, d) => 'A' + d).length)\n"
    "const tree = (depth) => depth === 0 ? null : { left: tree(depth - 1), right: tree(depth - 1) }\n"
    "const count = (node) => node ? 1 + count(node.left) + count(node.right) : 0\n"
    "let total = 0\n"
    "for (let i = 0; i < 6; i++) total += count(tree(13))\n"
    "print(total)\n"
    "let joined = ''\n"
    "for (let i = 0; i < 30000; i++) joined += String.fromCharCode(97 + i % 26) + i.toString(36)\n"
    "print(joined.length, joined.slice(-12))\n";

int main(void) {
  JSRuntime *runtime = JS_NewRuntime();
  JSContext *context = JS_NewContext(runtime);
  JSValue global = JS_GetGlobalObject(context);
  JS_SetPropertyStr(context, global, "print", JS_NewCFunction(context, print, "print", 1));
  JSValue result = JS_Eval(context, script, strlen(script), "script", JS_EVAL_TYPE_GLOBAL);
  int failed = JS_IsException(result);
  if (failed) print(context, JS_UNDEFINED, 1, (JSValue[]){JS_GetException(context)});
  JS_FreeValue(context, result);
  JS_FreeValue(context, global);
  JS_FreeContext(context);
  JS_FreeRuntime(runtime);
  return failed;
}
