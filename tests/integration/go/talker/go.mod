module diagmesh.test/talker

go 1.23
