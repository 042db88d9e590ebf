// The Lua interpreter, running a script with tables, strings, closures and garbage.
#include "lauxlib.h"
#include "lualib.h"
#include <stdio.h>

static const char script[] =
    "local words, seed = {}, 42\n"
    "local function random(n) seed = (seed * 1103515245 + 12345) % 2147483648; return seed // 65536 % n end\n"
    "for i = 1, 60000 do\n"
    "  local word = string.format('word%d', random(9000))\n"
    "  local list = words[word]\n"
    "  if not list then list = {}; words[word] = list end\n"
    "  list[#list + 1] = { line = i, text = word .. ' at ' .. i }\n"
    "end\n"
    "local names = {}\n"
    "for name in pairs(words) do names[#names + 1] = name end\n"
    "table.sort(names, function(a, b) return #words[a] ~= #words[b] and #words[a] > #words[b] or #words[a] == #words[b] and a < b end)\n"
    "for i = 1, 3 do print(names[i], #words[names[i]], words[names[i]][1].text) end\n"
    "local parts = {}\n"
    "for round = 1, 30 do\n"
    "  local text = {}\n"
    "  for i = 1, 3000 do text[i] = (round * i % 977) .. ',' end\n"
    "  local joined = table.concat(text)\n"
    "  local sum = 0\n"
    "  for number in joined:gmatch('%d+') do sum = sum + tonumber(number) end\n"
    "  parts[#parts + 1] = joined:gsub('7', 'seven'):sub(1, 20) .. sum\n"
    "end\n"
    "print(table.concat(parts, ';'):len(), parts[30])\n"
    "local function tree(depth) return depth == 0 and {} or { tree(depth - 1), tree(depth - 1) } end\n"
    "local function count(t) return t[1] and 1 + count(t[1]) + count(t[2]) or 1 end\n"
    "local total = 0\n"
    "for i = 1, 12 do total = total + count(tree(13)) end\n"
    "print(total)\n";

int main(void) {
  lua_State *state = luaL_newstate();
  static const luaL_Reg libraries[] = {
      {LUA_GNAME, luaopen_base}, {LUA_TABLIBNAME, luaopen_table}, {LUA_STRLIBNAME, luaopen_string}, {NULL, NULL}};
  for (const luaL_Reg *library = libraries; library->func; library++) {
    luaL_requiref(state, library->name, library->func, 1);
    lua_pop(state, 1);
  }
  if (luaL_dostring(state, script)) return 1;
  lua_close(state);
  return 0;
}
