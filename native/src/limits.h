// What a layer may be at most: more than any network has, and less than would overflow a number or a memory.
#pragma once

enum {
  GNL_MOST_CHANNELS = 1 << 20,
  GNL_MOST_REACH = 1 << 14,   // of a window, a stride
  GNL_MOST_PIXELS = 1 << 28,  // of an image, its padding counted
};
