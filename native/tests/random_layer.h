// Random layers, sizes and tensors, the same for the same start on every machine.
#pragma once
#include "groupnl_native.h"
#include "guarded.h"

void random_start(unsigned seed);
int random_below(int bound);

// Any layer that an operator may ask for; `block`: 0, 8, 16. Sets all but the number of bands.
void random_layer(int block, gnl_layer *layer, gnl_size *size);
void print_layer(const gnl_layer *layer, const gnl_size *size);

// Within ±bound.
guarded random_floats(size_t count, float bound);
// Mostly the same; now and then all zeros, or with NaN, an infinity or denormals among them.
guarded random_image(size_t count);
