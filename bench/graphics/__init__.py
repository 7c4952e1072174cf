"""The mathematics that plugins share; import its modules one by one."""
