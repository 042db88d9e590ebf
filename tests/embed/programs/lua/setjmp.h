// Lua includes <setjmp.h>, which WASI has not. It is built to stop at an error instead: the scripts here make none.
