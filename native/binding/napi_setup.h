#pragma once
// The only include of napi.h: every file of the binding sees the same settings.
// Node-API 8 is what Node 20 and every supported Electron offer.

#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#ifndef NAPI_CPP_EXCEPTIONS
#define NAPI_CPP_EXCEPTIONS
#endif
// Results are copied into buffers that V8 owns: hosts with a memory cage refuse external ones.
#define NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED

#include <napi.h>
