#pragma once
// The only include of napi.h: Node-API 8 is what Node 20 and every supported Electron offer.

#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#ifndef NAPI_CPP_EXCEPTIONS
#define NAPI_CPP_EXCEPTIONS
#endif

#include <napi.h>
