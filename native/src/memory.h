// Memory of our own: constants of a node, and buffers to work in that all nodes share.
#pragma once
#include <stddef.h>

// Aligned to 64 bytes; NULL where there is none, or where so much is asked for that the graph must be lying.
void *gnl_allocate(size_t bytes);

// A buffer to work in, and back. They are kept for whoever comes next while any node lives.
void *gnl_borrow(size_t bytes);
void gnl_return(void *buffer);
void gnl_node_lives(void);
void gnl_node_dies(void);
