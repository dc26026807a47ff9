"""What `import groupnl_deploy as gnl` promises, one part of the way a file. docs/api.md is its page."""
