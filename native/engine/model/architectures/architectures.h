#pragma once
#include "model/architecture.h"

namespace vectune {

// One of each file of this folder; architectures.cpp lists them.
Architecture bert();
Architecture distilbert();
Architecture mpnet();
Architecture roberta();
Architecture xlm_roberta();

}  // namespace vectune
