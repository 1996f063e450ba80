Bpresent.0.keyJ@v’¯¿Ø¢?XŒ¿c„?<Å3?ŠÑ~?r' ¿Qme?2¿>ùv¢¿%6p¾V8¿¡&¼¾%àb>
Q´¿XLx<