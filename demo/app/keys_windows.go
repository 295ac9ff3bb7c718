package app

const hasModes = false // access lists, inherited from the folder, say who may read a file
